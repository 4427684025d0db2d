"""A recording played without a terminal: the same console, every screen complete, at the times of the recording."""

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest
from textual._context import active_app

from streamusage.api.extension import Coverage, CoverageSpan, ServerCoverage, ServerStatus
from streamusage.core.coverage import Provenance
from tests.support.console.cells import drawn_segments
from tests.support.console.records import session
from tui.app.headless_replay import KeysEndConsoleError, ScreenSettings, Step, plan_steps, show_screens
from tui.display.cells import Line, split_cells
from tui.display.styles import PLAIN
from tui.recording.recording import RecordedPoll

SETTINGS = ScreenSettings(100, 30, "dark", ZoneInfo("UTC"), "recording of a test")
AT_MS = 1_795_292_100_000
EDGE = ServerStatus(server="edge-1", role="edge", state="live")


def poll(seconds: float, active: int = 0, **more: object) -> RecordedPoll:
    changed = [session("cam-1", AT_MS - 60_000, active=active), session("日本", AT_MS - 90_000, active=7)]
    return RecordedPoll(
        at=AT_MS + round(seconds * 1000),
        changed=[] if more else changed,
        reset=seconds == 0,
        servers=[EDGE],
        **more,  # type: ignore[arg-type]
    )


def text(lines: Sequence[Line]) -> list[str]:
    return ["".join(cell[0] for cell in line).rstrip() for line in lines]


def screens_of(
    polls: list[RecordedPoll], from_s: float, to_s: float, keys: Sequence[str] = (), settings: ScreenSettings = SETTINGS
) -> list[tuple[float, list[str]]]:
    found: list[tuple[float, list[str]]] = []
    steps = plan_steps(polls, AT_MS + round(from_s * 1000), AT_MS + round(to_s * 1000))
    asyncio.run(
        show_screens(
            polls, steps, keys, settings, lambda at_ms, lines: found.append(((at_ms - AT_MS) / 1000, text(lines)))
        )
    )
    return found


def test_steps_are_polls_and_seconds_between_them_and_time_never_goes_back() -> None:
    polls = [poll(0), poll(0, 1), poll(2.5), poll(2), poll(4)]
    steps = [
        (step.at_ms - AT_MS, len(step.polls), step.is_shown) for step in plan_steps(polls, AT_MS + 2_000, AT_MS + 9_999)
    ]
    assert steps == [
        (0, 2, False),
        (2_000, 0, True),
        (2_500, 2, True),
        (3_500, 0, True),
        (4_000, 1, True),
        *((at_ms, 0, True) for at_ms in range(5_000, 9_999, 1_000)),
    ]


def test_hours_without_a_poll_have_few_steps() -> None:
    steps = plan_steps([poll(0), poll(3600)], AT_MS, AT_MS + 3_600_000)
    assert len(steps) < 500
    assert steps[-1] == Step(AT_MS + 3_600_000, [poll(3600)], True)


def test_each_screen_is_what_the_console_draws() -> None:
    polls = [poll(0, 10), poll(1, 20), poll(2, why_failed="nothing answers"), poll(30, 40)]
    seen = []

    def show(at_ms: int, lines: Sequence[Line]) -> None:
        drawn = drawn_segments(active_app.get())
        expected = [[cell for part in row for cell in split_cells(part.text, PLAIN)[1]] for row in drawn]
        assert [[cell[0] for cell in line] for line in lines] == [[cell[0] for cell in line] for line in expected]
        seen.append(at_ms)

    steps = plan_steps(polls, AT_MS, AT_MS + 30_000)
    asyncio.run(show_screens(polls, steps, (), SETTINGS, show))
    assert len(seen) == len(steps) == 31


def test_figures_and_ages_follow_the_recording() -> None:
    polls = [poll(0, 1111), poll(1, 2222), poll(2, why_failed="nothing answers"), poll(60, 3333)]
    screens = dict(screens_of(polls, 0, 60))
    assert any("cam-1" in line and "1,111" in line for line in screens[0])
    assert any("cam-1" in line and "2,222" in line for line in screens[59])
    assert any("cam-1" in line and "3,333" in line for line in screens[60])
    assert "STALE 50s" in screens[51][0]
    assert "STALE" not in screens[60][0]


def test_gap_view_of_a_recording_waits_for_nothing() -> None:
    spans = [CoverageSpan(from_ms=AT_MS - 600_000, to_ms=AT_MS, state=Provenance.LIVE)]
    servers = [ServerCoverage(server="edge-1", spans=spans)]
    coverage = Coverage(now=AT_MS, from_ms=AT_MS - 600_000, to_ms=AT_MS, servers=servers)
    ((_, lines),) = screens_of([poll(0, 1), RecordedPoll(at=AT_MS, coverage=coverage)], 0, 0, keys=["g"])
    assert any("edge-1" in line and "100 %" in line for line in lines)
    assert "loading" not in "\n".join(lines)


def test_view_is_opened_on_the_first_screen_that_is_shown() -> None:
    screens = screens_of([poll(0, 1), poll(1, 2)], 0.5, 1, keys=["s"])
    assert [at for at, _ in screens] == [0.5, 1]
    assert all("edge-1" in "\n".join(lines) for _, lines in screens)


def test_colours_do_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def colours() -> set[str]:
        found: set[str] = set()
        steps = plan_steps([poll(0, 1)], AT_MS, AT_MS)
        show = lambda _, lines: found.update(style.foreground for line in lines for _, style in line)  # noqa: E731
        asyncio.run(show_screens([poll(0, 1)], steps, (), SETTINGS, show))
        return found

    before = colours()
    assert any(colour.startswith("38;2;") for colour in before)
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb"), ("LC_ALL", "C"), ("COLORTERM", "")):
        monkeypatch.setenv(name, value)
    assert colours() == before


def test_keys_that_end_the_console_are_an_error() -> None:
    with pytest.raises(KeysEndConsoleError):
        screens_of([poll(0, 1)], 0, 0, keys=["q"])
