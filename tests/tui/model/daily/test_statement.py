"""Statements: the same bytes for the same closed days, and every change is refused."""

import pytest

from tests.support.commands.statements import a_day, signed_statement
from tui.model.daily.statement import NotSignedOffError, verified


def test_statement_does_not_depend_on_later_changes_or_order() -> None:
    before = signed_statement(a_day("edge-1"), a_day("edge-2"))
    late = a_day("edge-3", rule="late", connections=0)
    assert signed_statement(late, a_day("edge-2", state="adjusted"), a_day("edge-1")) == before
    document = verified(before)
    assert document["rests_on"]["servers"] == ["edge-1", "edge-2"]
    assert document["totals"]["connections_by_protocol"] == {"hls": 2, "rtmp": 4}


@pytest.mark.parametrize(
    "content",
    [signed_statement(a_day()).replace(b'"bytes_out": 20', b'"bytes_out": 21'), b"[]", b"{}", b"\xff", b'{"kind": 1}'],
)
def test_changed_statement_is_refused_with_reason(content: bytes) -> None:
    with pytest.raises(NotSignedOffError):
        verified(content)
