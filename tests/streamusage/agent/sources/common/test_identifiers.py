"""Names, ids and protocol labels are limited to what a report can hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.common.identifiers import (
    MAX_ID_LENGTH,
    MAX_NAME_LENGTH,
    limit_id,
    limit_name,
    normalize_protocol,
    short_digest,
    split_stream_path,
)


@given(st.text(max_size=2_000))
def test_any_text_gives_a_name_an_id_and_a_protocol_within_limits(text: str) -> None:
    assert 1 <= len(limit_name(text)) <= MAX_NAME_LENGTH
    assert 1 <= len(limit_id(text)) <= MAX_ID_LENGTH
    assert 1 <= len(normalize_protocol(text)) <= 32


def test_short_plain_id_is_kept() -> None:
    assert limit_id("0a1b-2c") == "0a1b-2c"


def test_digest_depends_on_the_boundaries_of_texts() -> None:
    assert short_digest("a", "bc") != short_digest("ab", "c")


@pytest.mark.parametrize(
    ("path", "stream"),
    [("/live/room/s1", ("live/room", "s1")), ("s1", ("root", "s1")), ("/", ("root", "(no name)"))],
)
def test_path_is_split_at_its_last_slash(path: str, stream: tuple[str, str]) -> None:
    assert split_stream_path(path, "root") == stream
