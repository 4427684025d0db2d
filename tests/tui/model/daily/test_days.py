"""Why an accounting day is not final."""

from tests.support.commands.statements import NOW, a_day
from tui.model.daily.days import join_names, why_not_final


def test_reason_of_a_provisional_day_names_waiting_servers() -> None:
    def why(day: str, zones: list[str], *waiting: str) -> str | None:
        return why_not_final(a_day(day=day, state="provisional", waiting_for=list(waiting)), NOW, zones)

    assert why("2026-11-22", ["UTC"], "edge-1") == "the day is not over yet"
    assert why("2026-11-20", ["UTC"], "edge-1") == "edge-1 still owes figures of it"
    assert why("2026-11-20", ["UTC"], "edge-1", "edge-2") == "edge-1 and edge-2 still owe figures of it"
    assert why("2026-11-20", ["UTC"]) == "all figures are reported and the day closes shortly; try again in a moment"
    assert why_not_final(a_day(state="adjusted"), NOW, ["UTC"]) is None
    assert join_names([f"e{number}" for number in range(9)]) == "e0, e1, e2 and 6 more"


def test_day_that_was_closed_in_advance_is_not_final_before_it_is_over() -> None:
    assert why_not_final(a_day(day="2099-01-01", state="final"), NOW, ["UTC"]) == (
        "the day is not over yet, but it was closed"
    )
