"""Names from outside as values of labels."""

import pytest

from streamusage.service.metrics.labels import LONGEST_LABEL, Labels, label_value


def test_plain_names_are_their_own_labels() -> None:
    for name in ("live", "live/sports", 'a "quoted" \\ name', "日本"):
        assert label_value(name) == name


@pytest.mark.parametrize("name", ["x" * 5_000, "a\x1b[2J", "a\nb", "\ud800", "other", "not by stream", "\u202eabc", ""])
def test_altered_labels_are_printable_short_and_end_in_a_digest(name: str) -> None:
    label = label_value(name)
    assert label.isprintable()
    assert len(label) <= LONGEST_LABEL
    assert label.encode()
    assert label != name


def test_two_names_never_share_a_label() -> None:
    names = ["a\nb", "a\\nb", "a\\\\nb", "x" * 200, "x" * 199, "x" * 200 + "y", "other", "Other"]
    names += [label_value(name) for name in names]
    labels = {label_value(name) for name in names}
    assert len(labels) == len(set(names))


def test_names_beyond_the_limit_are_other() -> None:
    labels = Labels(["a", "b", "other"], 2)
    assert [labels.of(name) for name in ("a", "b", "other", "unknown")] == ["a", "b", "other", "other"]
    assert labels.folded == 1
    assert Labels(["other"], 5).of("other") != "other"
