"""The page in a real Chromium, opened from its file: the frames of the demo's outage, cell by cell, and its keys."""

import asyncio
import base64
import json
import random
import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pyte
import pytest
from asciinema.asciicast import open_from_url
from selenium.webdriver.common.keys import Keys

from streamusage.api.extension import ServerStatus
from tests.support.console.browser import Browser, ShownCell, run_browser
from tests.support.console.records import HOSTILE, session
from tui.commands.replay.files import write_files
from tui.commands.replay.options import FileOptions, Size
from tui.demo import recording as demo
from tui.recording.page.palette import BOLD, ITALIC, STRIKE, UNDERLINE
from tui.recording.recording import RecordedPoll, read_recording

pytestmark = pytest.mark.browser

TEN_MINUTES_STEPS = 28
"""Polls of the demo's recording after its outage, so that it covers ten minutes."""
MOST_BYTES = 2_000_000
VIEWS = ("sessions", "gaps", "days")
Screen = list[list[ShownCell]]


class Written(NamedTuple):
    """A page, an asciicast of its first view, and what the page holds."""

    page: Path
    cast: Path
    recording: dict[str, Any]
    views: dict[str, list[Any]]

    def screens(self, view: str) -> list[Screen]:
        """Return the screens of a view, by the documented form of frames."""
        styles = [
            (ink, ground, *(bool(bits & bit) for bit in (BOLD, ITALIC, UNDERLINE, STRIKE)))
            for ink, ground, bits in self.recording["palette"]
        ]
        screen = [[ShownCell(" ", *styles[0])] * self.recording["columns"] for _ in range(self.recording["lines"])]
        found = []
        for _, *changes in self.views[view]:
            for y, x, *runs in changes:
                texts = [(text, style) for style, some in zip(runs[::2], runs[1::2], strict=True) for text in some]
                screen[y][x : x + len(texts)] = [ShownCell(text, *styles[style]) for text, style in texts]
            found.append([list(row) for row in screen])
        return found

    def times(self, view: str) -> list[int]:
        """Return the instant of each screen."""
        at_ms, found = 0, []
        for since_ms, *_ in self.views[view]:
            at_ms += since_ms
            found.append(at_ms)
        return found


def write(directory: Path, tape: Path, polls: Sequence[RecordedPoll], *, size: Size = Size()) -> Written:  # noqa: B008
    page, cast = directory / "outage.html", directory / "outage.cast"
    options = FileOptions(html=page, asciicast=cast, to=None, size=size, views=(), keys=(), replaces=False)
    write_files(tape, list(polls), options, polls[0].at, ZoneInfo("UTC"), "dark")
    content = page.read_text("utf-8")

    def part(name: str) -> str:
        found = re.search(rf'<script id="{name}" type="[a-z/]+">(.*?)</script>', content, re.DOTALL)
        assert found
        return found[1]

    frames = json.loads(zlib.decompress(base64.b64decode(part("frames"))))
    return Written(page, cast, json.loads(part("recording")), {view["name"]: view["frames"] for view in frames})


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Ten minutes of the demo."""
    directory = tmp_path_factory.mktemp("page")
    tape = directory / "outage.tape"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "AFTER_STEPS", TEN_MINUTES_STEPS)
        asyncio.run(demo.make_recording(tape, seed=1))
    return write(directory, tape, read_recording(tape))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with run_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, outage: Written) -> Iterator[Browser]:
    """The browser with the page. After the test it has logged nothing and requested nothing but the page."""
    browser.open(outage.page)
    yield browser
    assert browser.drain_logs() == ([], [outage.page.as_uri()])


def differences(shown: Screen, expected: Screen) -> list[tuple[int, int, ShownCell, ShownCell]]:
    return [
        (y, x, cell, other)
        for y, (row, others) in enumerate(zip(shown, expected, strict=True))
        for x, (cell, other) in enumerate(zip(row, others, strict=True))
        if cell != other
    ]


def assert_frames(browser: Browser, written: Written, view: str) -> None:
    shown, expected = browser.frames(), written.screens(view)
    assert len(shown) == len(expected) > 1
    for number, screens in enumerate(zip(shown, expected, strict=True)):
        assert differences(*screens) == [], f"{view}, frame {number}"


@pytest.mark.parametrize("view", VIEWS)
def test_every_frame_has_the_cells_of_the_console(opened: Browser, outage: Written, view: str) -> None:
    assert list(outage.views) == list(VIEWS)
    opened.press(str(VIEWS.index(view) + 1))
    assert_frames(opened, outage, view)


def test_every_frame_has_the_cells_of_a_terminal_that_plays_the_asciicast(opened: Browser, outage: Written) -> None:
    terminal = pyte.Screen(outage.recording["columns"], outage.recording["lines"])
    stream = pyte.Stream(terminal)
    ink, ground = outage.recording["palette"][0][:2]
    shown = opened.frames()
    with open_from_url(str(outage.cast)) as cast:
        assert (cast.v2_header["width"], cast.v2_header["height"]) == (terminal.columns, terminal.lines)
        events = [(round(1000 * at), data) for at, _, data in cast.events("o") if data]
    times = [at_ms - outage.recording["from"] for at_ms in outage.times("sessions")]
    assert [at_ms for at_ms, _ in events] == times
    for number, ((_, data), screen) in enumerate(zip(events, shown, strict=True)):
        stream.feed(data)
        for y, row in enumerate(screen):
            for x, cell in enumerate(row):
                real = terminal.buffer[y][x]
                front, back = (
                    default if colour == "default" else f"#{colour}"
                    for colour, default in ((real.fg, ink), (real.bg, ground))
                )
                if real.reverse:
                    front, back = back, front
                what = f"frame {number}, line {y}, column {x}"
                assert unicodedata.normalize("NFC", cell.text) == real.data, what
                assert cell.ground == back, what
                if cell.text.strip():
                    assert (cell.ink, cell.bold, cell.underline) == (front, real.bold, real.underscore), what


def test_seek_shows_the_frame_of_the_instant(opened: Browser, outage: Written) -> None:
    chance = random.Random(18)
    begin, end = outage.recording["from"], outage.recording["to"]
    for _ in range(30):
        view = chance.randrange(len(VIEWS))
        at_ms = chance.randint(begin, end)
        opened.run(
            """
            document.querySelectorAll("#views button")[arguments[0]].click();
            const seek = document.getElementById("seek");
            seek.value = String(arguments[1]);
            seek.dispatchEvent(new Event("input"));
            """,
            view,
            at_ms - begin,
        )
        times = outage.times(VIEWS[view])
        number = max(number for number, time in enumerate(times) if time <= at_ms)
        assert differences(opened.screen(), outage.screens(VIEWS[view])[number]) == []


def test_every_key_does_what_the_help_states(opened: Browser, outage: Written) -> None:
    begin, end = outage.recording["from"], outage.recording["to"]

    def time() -> int:
        return begin + int(opened.run("return document.getElementById('seek').value"))

    def view() -> str:
        return str(opened.run("return document.querySelector('#views [aria-pressed=true]').textContent"))

    assert (time(), view(), opened.text("play")) == (begin, "sessions", "Play")
    opened.press("-", "-", "-", "-", "-", Keys.SPACE)
    assert opened.run("return document.getElementById('speed').value") == "0.5"
    assert opened.text("play") == "Pause"
    opened.wait(lambda: time() > begin)
    opened.press(Keys.SPACE)
    assert opened.text("play") == "Play"
    opened.press(*["+"] * 9, Keys.SPACE)
    assert opened.run("return document.getElementById('speed').value") == "100"
    opened.wait(lambda: time() == end)
    opened.wait(lambda: opened.text("play") == "Play")
    opened.press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert time() == begin + 5_000
    opened.press(Keys.ARROW_RIGHT, shift=True)
    assert time() == begin + 65_000
    opened.press(Keys.HOME, ".", ".", ",")
    assert time() == outage.times("sessions")[1]
    marks = [mark["from_ms"] for mark in outage.recording["marks"]]
    opened.press(Keys.HOME, "n")
    assert time() == marks[0] > begin
    opened.press(Keys.END, "N")
    assert time() == max(mark for mark in marks if mark < end)
    for key, name in (("g", "gaps"), ("y", "days"), ("1", "sessions"), ("2", "gaps"), (Keys.ESCAPE, "sessions")):
        opened.press(key)
        assert view() == name
    width = "return document.getElementById('screen').offsetWidth"
    before = opened.run(width)
    opened.press("z")
    assert opened.run(width) > before
    opened.press("z")
    assert opened.run(width) == before
    opened.press("f")
    opened.wait(lambda: opened.run("return document.fullscreenElement !== null"))
    opened.press("f")
    opened.wait(lambda: opened.run("return document.fullscreenElement === null"))
    opened.press("?")
    assert opened.run("return document.getElementById('help').open")
    assert opened.run("return document.getElementById('help-keys').rows.length") >= 14
    opened.press(Keys.ESCAPE)
    assert not opened.run("return document.getElementById('help').open")


def test_reader_who_prefers_reduced_motion_can_play_to_the_end(opened: Browser, outage: Written) -> None:
    feature = {"name": "prefers-reduced-motion", "value": "reduce"}
    opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        assert opened.run("return matchMedia('(prefers-reduced-motion: reduce)').matches")
        opened.press(Keys.END, Keys.ARROW_LEFT, *["+"] * 9, Keys.SPACE)
        opened.wait(lambda: opened.text("play") == "Play")
        assert differences(opened.screen(), outage.screens("sessions")[-1]) == []
    finally:
        opened.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_instant_of_the_address_is_shown_at_first(opened: Browser, outage: Written) -> None:
    at = datetime.fromtimestamp(outage.recording["from"] / 1000 + 130, UTC)
    opened.open(outage.page, f"#t={at:%Y-%m-%dT%H:%M:%SZ}")
    assert opened.text("clock") == f"{at:%a} {at.day} {at:%b %Y, %H:%M:%S} UTC"
    opened.open(outage.page)


def test_page_is_described_for_who_does_not_see_it(opened: Browser, outage: Written) -> None:
    opened.press("n")
    assert re.fullmatch(
        r"\w{3} \d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC\. sessions\. streamtop recording outage\.tape .*", opened.text("live")
    )
    names = opened.run(
        "return [...document.querySelectorAll('button, input, select, [role]')]"
        ".filter((part) => !(part.getAttribute('aria-label') || part.textContent.trim() || part.closest('label')))"
        ".map((part) => part.id)"
    )
    assert set(names) <= {"live", "problem"}
    assert opened.run("return document.getElementById('seek').getAttribute('aria-valuetext')") == opened.text("clock")
    current = opened.run("return document.querySelector('#event-list [aria-current=true]').textContent")
    assert "missing" in current
    assert demo.CUT_OFF in current


def test_text_is_copied_without_blanks_at_the_ends_of_lines(opened: Browser, outage: Written) -> None:
    copied = opened.run(
        """
        document.getSelection().selectAllChildren(document.getElementById("screen"));
        const event = new ClipboardEvent("copy", { clipboardData: new DataTransfer(), cancelable: true });
        document.dispatchEvent(event);
        return event.clipboardData.getData("text/plain");
        """
    )
    expected = ["".join(cell.text for cell in row).rstrip() for row in outage.screens("sessions")[0]]
    assert copied.rstrip("\n").split("\n") == expected


def test_browser_without_decompression_plays_the_same(browser: Browser, outage: Written) -> None:
    added = browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        browser.open(outage.page)
        assert browser.run("return typeof DecompressionStream") == "undefined"
        assert_frames(browser, outage, "sessions")
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_damaged_page_states_that_it_cannot_be_played(browser: Browser, outage: Written, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.html"
    content = outage.page.read_text("utf-8")
    begin = content.index('id="frames"') + 200
    damaged.write_text(content[:begin] + content[begin + 400 :], "utf-8")
    browser.driver.get(damaged.as_uri())
    browser.wait(lambda: browser.text("problem").startswith("The recording in this page cannot be played: "))


@pytest.mark.parametrize(("width", "scale"), [(390, 3), (320, 2), (844, 3)])
def test_screen_fits_a_phone(browser: Browser, outage: Written, width: int, scale: int) -> None:
    metrics = {"width": width, "height": 844 if width < 800 else 390, "deviceScaleFactor": scale, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.open(outage.page)
        assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [width, width]
        assert width * 0.7 < browser.run("return document.getElementById('screen').offsetWidth") <= width
        assert differences(browser.screen(), outage.screens("sessions")[0]) == []
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_ten_minutes_of_the_demo_are_below_two_megabytes(outage: Written) -> None:
    assert outage.recording["to"] - outage.recording["from"] >= 600_000
    assert outage.page.stat().st_size < MOST_BYTES


def test_hostile_names_stay_in_their_cells(browser: Browser, tmp_path: Path) -> None:
    names = [*HOSTILE, "</script><script>window.hacked=1</script>", "<img src=x onerror=window.hacked=1>", "{{script}}",
             "&lt;b&gt;", "שלום-عربي", "👩\u200d👩\u200d👧", "╭─╮⣿█▌░▒▓", "\u2066bidi\u2069", "ﷺ", "Ａｗ"]  # fmt: skip
    at_ms = 1_795_292_100_000
    edge = ServerStatus(
        server="</title><script>window.hacked=1</script>", role="edge", state="unreachable", owed_ms=90_000
    )
    polls = [
        RecordedPoll(
            at=at_ms + 1000 * second,
            changed=[session(name, at_ms - 60_000, active=90 * second + place) for place, name in enumerate(names)],
            reset=second == 0,
            servers=[edge],
        )
        for second in range(3)
    ]
    written = write(tmp_path, tmp_path / "<b>&name\u202e.tape", polls)
    browser.open(written.page)
    assert_frames(browser, written, "sessions")
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.querySelectorAll('script, img, b:not(#event-list b)').length") == 3
    assert browser.run("return document.title") == "streamtop: <b>&name\ufffd.tape"
    shown = "\n".join("".join(cell.text for cell in row) for row in browser.screen())
    assert "<script>" in shown
    assert not any(unicodedata.bidirectional(character) in ("RLO", "LRO", "RLI", "LRI", "PDI") for character in shown)
    places = browser.run(
        """
        const left = document.getElementById("screen").getBoundingClientRect().left, offs = [];
        for (const row of document.querySelectorAll("#screen > .row")) {
          const { top, width } = row.getBoundingClientRect(), cell = width / arguments[0];
          let column = 0;
          for (const span of row.children) {
            const box = span.getBoundingClientRect();
            offs.push(box.left - left - column * cell, box.top - top);
            column += Number(/w(\\d+)/.exec(span.className)[1]);
            offs.push(box.right - left - column * cell);
          }
        }
        return offs;
        """,
        written.recording["columns"],
    )
    assert max(map(abs, places)) < 0.5
    assert browser.drain_logs() == ([], [written.page.as_uri()])
