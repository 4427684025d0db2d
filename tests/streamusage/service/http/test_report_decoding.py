"""Decoding of reports within limits, in one piece and in steps."""

from typing import Any

import msgspec
import pytest

from streamusage.api.report import (
    Based,
    Baseline,
    OpenPublish,
    OutageRow,
    PeakWindow,
    PhaseChange,
    Report,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
)
from streamusage.service.errors import LimitExceededError
from streamusage.service.http import report_decoding
from streamusage.service.http.errors import ApiError
from streamusage.service.http.report_decoding import count_rows, decode_report
from streamusage.service.limits import Limits

NOW = 1_795_000_020_000


def a_report(**fields: object) -> Report:
    baseline = Baseline(at=NOW, boot="b", started_at=1, since=1, bytes_in=0, bytes_out=0, window=PeakWindow(NOW, 0, 0))
    values: dict[str, Any] = {
        "server": "edge-1", "role": "edge", "life": "j.1", "epoch": 1, "since": 0, "upto": 9, "sent_at": NOW,
        "sync_interval_ms": 10_000, "baseline": baseline, "based_on": Based(0, 0),
        "slots": (SlotRow(slot=NOW, revision=1, connections={"rtmp": 1, "hls": 2}),),
        "spans": (SpanRow(from_ms=1, to_ms=NOW, revision=2, state="counted"),),
        "samples": (SampleRow(slot=NOW, scope="live", name='a "[{\\', revision=3, active=1, highest=1),),
        "outages": (OutageRow(began_at=NOW, revision=4, phases=(PhaseChange("online", NOW),), failed_attempts=1),),
        "sessions": (
            SessionRow(publish_id="p", revision=5, scope="s", name="n", start_time=1, end_time=2, live=True, active=1,
                       highest=1, total=1),
        ),
    }  # fmt: skip
    return Report(**values | fields)


@pytest.fixture(params=["in one piece", "in steps"])
def _form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in steps":
        monkeypatch.setattr(report_decoding, "SMALL_BYTES", 0)


pytestmark = pytest.mark.usefixtures("_form")


@pytest.mark.parametrize("fields", [{}, {"slots": (), "based_on": None, "phase": "recovering"}])
def test_report_is_decoded_as_it_was_encoded(fields: dict[str, object]) -> None:
    report = a_report(**fields)
    assert decode_report(msgspec.json.encode(report), Limits()) == report


def test_rows_and_their_lists_count() -> None:
    report = a_report()
    assert count_rows(report) == 5 + 2 + 1
    body = msgspec.json.encode(report)
    assert decode_report(body, Limits(report_rows=8)) == report
    with pytest.raises(LimitExceededError, match=r"limit report-rows is 7 \(--limit report-rows=N"):
        decode_report(body, Limits(report_rows=7))


def test_publishes_of_the_baseline_count() -> None:
    publish = OpenPublish(publish_id="p", scope="s", name="n", start_time=1, highest=1)
    report = a_report()
    report = msgspec.structs.replace(
        report, baseline=msgspec.structs.replace(report.baseline, publishes=(publish,) * 3)
    )
    assert count_rows(report) == 11


def test_unknown_field_may_be_nested_up_to_the_limit() -> None:
    body = msgspec.json.encode(a_report())[1:]
    for levels in (63, 64):
        deep = b'{"more":' + b'[{"x":' * (levels // 2) + b"[]" * (levels % 2) + (b"1" if levels % 2 == 0 else b"")
        deep += b"}]" * (levels // 2) + b"," + body
        if levels == 63:
            assert decode_report(deep, Limits()) == a_report()
        else:
            with pytest.raises(LimitExceededError, match="limit json-depth is 64 "):
                decode_report(deep, Limits())


@pytest.mark.parametrize("depth", [100, 2_000, 1_000_000])
def test_deep_json_is_refused_by_name(depth: int) -> None:
    with pytest.raises(LimitExceededError, match="limit json-depth is 64 "):
        decode_report(b'{"x":' + b"[" * depth + b"]" * depth + b"}", Limits())


def test_brackets_in_names_are_no_depth() -> None:
    sample = SampleRow(slot=NOW, scope="[" * 4096, name="{]" * 2048, revision=3, active=1, highest=1)
    report = a_report(samples=(sample,) * 60)
    assert decode_report(msgspec.json.encode(report), Limits()) == report


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b'"revision":1', b'"revision":-1', r"`\$\.slots\[0\]\.revision`"),
        (b'"samples":[', b'"samples":[7,', r"Expected `object`, got `int` - at `\$\.samples\[0\]`"),
        (b'"server":"edge-1",', b"", "missing required field `server`"),
        (b'"boot":"b"', b'"boot":""', r"`\$\.baseline\.boot`|`\$\.boot`"),
    ],
)
def test_other_form_is_a_validation_error_with_its_place(old: bytes, new: bytes, error: str) -> None:
    body = msgspec.json.encode(a_report())
    assert old in body
    with pytest.raises(msgspec.ValidationError, match=error):
        decode_report(body.replace(old, new, 1), Limits())


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b'{"server":1}x', b'{"server":"' + b"[" * 80, b"\xff"])
def test_invalid_json_is_400(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        decode_report(body, Limits())
    assert refused.value.status == 400


def many_samples(number: int, name: str = "n") -> tuple[SampleRow, ...]:
    return tuple(
        SampleRow(slot=NOW + n, scope="live", name=name, revision=3, active=1, highest=n % 9) for n in range(number)
    )


@pytest.mark.parametrize("name", ["n", "},{", '"},{"', "}]},{[{", "\\", "ä" * 300])
def test_rows_of_a_large_report_are_decoded_in_pieces(name: str) -> None:
    report = a_report(samples=many_samples(12_000, name))
    body = msgspec.json.encode(report)
    assert len(body) > 3 * report_decoding._SLICE_BYTES
    assert decode_report(body, Limits()) == report
    assert len(list(report_decoding._split_rows(msgspec.Raw(msgspec.json.encode(report.samples))))) > 2
    for limit in (12_000, 12_006):
        with pytest.raises(LimitExceededError, match="limit report-rows"):
            decode_report(body, Limits(report_rows=limit))
    spaced = body.replace(b"},{", b"} , {") if name == "n" else body
    assert decode_report(spaced, Limits(report_rows=12_007)) == report


def test_row_of_another_form_has_its_place_in_the_whole_report() -> None:
    body = msgspec.json.encode(a_report(samples=many_samples(12_000)))
    wrong = body.replace(b'"slot":%d,' % (NOW + 8_000), b'"slot":-1,')
    with pytest.raises(msgspec.ValidationError, match=r"`\$\.samples\[8000\]\.slot`"):
        decode_report(wrong, Limits())


@pytest.mark.parametrize("beginning", [b'{"slots":[', b'{"more":[', b'{"server":"x","more":["' + b"," * 9 + b'",'])
def test_more_values_than_rows_can_have_are_another_form(beginning: bytes) -> None:
    body = beginning + b"1," * 400_000 + b"1]}"
    with pytest.raises(msgspec.ValidationError):
        decode_report(body, Limits())


def test_commas_in_names_are_no_values() -> None:
    report = a_report(samples=many_samples(600, "," * 4_096))
    assert decode_report(msgspec.json.encode(report), Limits()) == report
