"""The month's chart and rows: incomplete days are drawn apart, sums add, a peak of several servers is a bound."""

from datetime import date

from streamusage.day_answers import BackfilledPart, CoveredTime, DailyStatistics
from tui.model.months import added, last_of, month_of, months_away
from tui.widgets.month_chart import month_chart

DAY = 86_400_000
NOVEMBER = date(2026, 11, 1)


def day(
    number: int, server: str, bytes_out: int, *, peak: int = 5, state: str = "final", **covered: int
) -> DailyStatistics:
    return DailyStatistics(
        server=server,
        day=f"2026-11-{number:02}",
        tz="UTC",
        state=state,  # type: ignore[arg-type]
        connections=4,
        connections_by_protocol={"rtmp": 3, "hls": 1},
        bytes_in=1,
        bytes_out=bytes_out,
        peak_in_bps=None,
        peak_in_at=None,
        peak_out_bps=peak,
        peak_out_at=None,
        view_time_ms=400,
        average_view_time_ms=100,
        coverage=CoveredTime(**(covered or {"live_ms": DAY})),
        backfilled=BackfilledPart(bytes_out=bytes_out // 4),
    )


MONTH = month_of(
    [
        day(1, "a", 600_000),
        day(2, "a", 1_000_000),
        day(3, "a", 500_000, live_ms=DAY // 2, missing_ms=DAY // 2, state="provisional"),
        day(3, "b", 500_000, peak=9),
        day(4, "a", 300_000, live_ms=DAY // 2, lost_ms=DAY // 2),
        day(5, "a", 0),
    ],
    NOVEMBER,
)


def drawn() -> list[str]:
    return ["".join(text for text, _ in line) for line in month_chart(NOVEMBER, MONTH.day_rows(), 80, 6)]


def test_incomplete_days_are_drawn_apart_and_a_zero_is_no_gap() -> None:
    bars = [line[9:] for line in drawn()]
    column = {number: "".join(line[(number - 1) * 2] for line in bars[:6]) for number in range(1, 31)}
    assert column[2] == "██████"
    assert set(column[1]) == {" ", "█"}
    assert set(column[3]) == {"·"}
    assert set(column[4]) == {" ", "×"}
    assert column[5].strip() == ""
    covered = bars[6]
    assert [covered[(number - 1) * 2] for number in range(1, 7)] == ["▔", "▔", "·", "×", "▔", " "]
    assert drawn()[0].split()[0] == "1.00"


def test_a_day_of_several_servers_adds_up() -> None:
    both = dict(MONTH.day_rows())[date(2026, 11, 3)]
    assert (both.connections, both.bytes_out, both.servers, both.state) == (8, 1_000_000, 2, "provisional")
    assert (both.peak_out(), both.complete(), both.recovered()) == ("≥9 bit/s", "75.0 %", "25.0 %")
    assert both.average_view_time_ms() == 100
    rows = MONTH.rows_of(date(2026, 11, 3), {"a": "edge", "b": "origin"})
    assert [row.name for row in rows] == ["all edge", "all origin", "a", "b"]
    assert rows[2].peak_out() == "5 bit/s"
    total = MONTH.total()
    assert total is not None
    assert total.bytes_out == 2_900_000
    assert total.state == "provisional"
    assert added("x", [day(1, "a", 1, state="adjusted"), day(1, "b", 1)]).state == "adjusted"


def test_months_are_walked() -> None:
    assert last_of(date(2028, 2, 3)) == date(2028, 2, 29)
    assert months_away(NOVEMBER, -11) == date(2025, 12, 1)
    assert months_away(NOVEMBER, 2) == date(2027, 1, 1)
