"""Statements: the same bytes for the same closed days, and every change is refused."""

import msgspec
import pytest

from streamusage.api.daily import Closed, DailyFigures, VoidEntry
from tests.support.commands.statements import a_day, signed_statement
from tui.model.daily.unsigned_statement import NotSignedOffError, verified, voided_since


def test_statement_does_not_depend_on_later_changes_or_order() -> None:
    before = signed_statement(a_day("edge-1"), a_day("edge-2"))
    late = a_day("edge-3", rule="late", connections=0)
    assert signed_statement(late, a_day("edge-2", state="adjusted"), a_day("edge-1")) == before
    document = verified(before)
    assert document["rests_on"]["servers"] == ["edge-1", "edge-2"]
    assert document["totals"]["connections_by_protocol"] == {"hls": 2, "rtmp": 4}


def test_statement_lists_void_closings_of_its_days_and_signs_them() -> None:
    day = a_day()
    figures = msgspec.convert(msgspec.to_builtins(day), DailyFigures)
    closed = Closed(at=5, rule="watermark", revision=6)
    entry = VoidEntry(
        server="edge-1", day=day.day, tz="UTC", revision=6, at=8, by="boss", reason="clock", closed=closed,
        figures=figures,
    )  # fmt: skip
    assert "voids" not in verified(signed_statement(day))
    signed = signed_statement(msgspec.structs.replace(day, voids=[entry]))
    document = verified(signed)
    assert document["voids"] == [
        {"server": "edge-1", "day": day.day, "revision": 6, "at": 8, "by": "boss", "reason": "clock"}
    ]
    with pytest.raises(NotSignedOffError):
        verified(signed.replace(b'"boss"', b'"mole"'))
    assert voided_since(document, [entry]) == []
    assert voided_since(document, [msgspec.structs.replace(entry, revision=7)]) != []


@pytest.mark.parametrize(
    "content",
    [signed_statement(a_day()).replace(b'"bytes_out": 20', b'"bytes_out": 21'), b"[]", b"{}", b"\xff", b'{"kind": 1}'],
)
def test_changed_statement_is_refused_with_reason(content: bytes) -> None:
    with pytest.raises(NotSignedOffError):
        verified(content)
