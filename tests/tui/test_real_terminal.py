"""The real program in real terminals, as an operator meets it: kinds of terminals, profiles, recordings, a crash."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.console.records import recent, session
from tests.support.console.scripted import TestClock
from tests.support.console.terminal import Terminal, holds, terminal
from tests.support.plain_manager import PlainManager, wire
from tui.app.messages import PollFailed, SessionsPolled
from tui.recording.recording import Recording

pytestmark = pytest.mark.terminal

KINDS = {"xterm-256color": "256", "screen-256color": "256", "tmux-256color": "256", "linux": "16"}
TOKEN = "crash-t0ken"


def config_of(directory: Path, text: str, **tokens: str) -> None:
    folder = directory / "home" / ".config" / "streamtop"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(text)
    for name, token in tokens.items():
        (folder / name).write_text(f"{token}\n")
        (folder / name).chmod(0o600)


def grounds(screen: str) -> set[str]:
    """The background colours of a screen, but those of the row under the cursor."""
    return set(re.findall(r"48;(?:5;\d+|2;\d+;\d+;\d+)", screen))


async def in_the_palette(console: Terminal, command: str) -> None:
    await console.keys(":")
    await console.until("the palette", holds("Commands"))
    await console.tmux("send-keys", "-t", "console", "-l", command)
    await console.keys("Enter")


@pytest.mark.parametrize("term", KINDS)
async def test_every_kind_of_terminal_carries_it(tmp_path: Path, term: str) -> None:
    start = recent(300)
    records = [wire(f"cam-{number:02}", start=start + number) for number in range(60)]
    async with PlainManager(*records, wire("日本語", start=start)) as manager:
        config_of(tmp_path, f'[profiles.one]\nurl = "{manager.url}"\ntoken_file = "token"\n', token=manager.token)
        async with terminal(tmp_path, 100, 30, "--profile", "one", term=term) as console:
            await console.until("the table", holds("live/cam-59"))
            await console.keys("Down", "NPage", "End")
            await console.until("the last row", holds("61 of 61"))
            await console.keys("Home", "/", *"cam-0", "Enter")
            await console.until("the filter", holds("(51 hidden)"))
            await console.keys("Enter")
            lines = await console.until("the detail", holds("1 session of this stream"))
            braille = any("\u2800" <= character <= "\u28ff" for line in lines for character in line)
            codes = set(re.findall(r"\x1b\[([0-9;]*)m", await console.coloured()))
            if KINDS[term] == "16":
                assert not braille
                assert not any("38;" in code or "48;" in code for code in codes)
            else:
                assert any("38;" in code for code in codes)
            await console.keys("Escape", "?")
            await console.until("the help", holds("Keys in the sessions view"))
            await console.keys("Escape", "q")
            lines = await console.until("the end", holds("left with 0"))
            assert not any("live/cam" in line for line in lines), "the screen from before is back"


async def test_profiles_have_their_theme_their_table_and_their_rights(tmp_path: Path) -> None:
    start = recent(300)
    async with (
        PlainManager(wire("lab-cam", start=start), wire("lab-b", start=start), token="lab-token") as lab,
        PlainManager(wire("prod-cam", start=start), token="prod-token") as prod,
    ):
        config_of(
            tmp_path,
            'default_profile = "lab"\n'
            f'[profiles.lab]\nurl = "{lab.url}"\ntoken_file = "lab"\ntheme = "dark"\n'
            f'[profiles.prod]\nurl = "{prod.url}"\ntoken_file = "prod"\ntheme = "light"\nread_only = true\n',
            lab="lab-token",
            prod="prod-token",
        )
        async with terminal(tmp_path, 120, 24, term="xterm-256color") as console:
            await console.until("the lab", holds("live/lab-cam"))
            dark = grounds(await console.coloured())
            await in_the_palette(console, "sort total")
            await console.until("sorted by total", holds("TOTAL▾"))
            await console.keys("/", *"cam", "Enter")
            await console.until("filtered", holds("(1 hidden)"))
            await console.keys("P")
            await console.until("the profiles", lambda lines: any("prod" in line for line in lines))
            await console.keys(*"prod", "Enter")
            lines = await console.until("the other service", holds("live/prod-cam"))
            assert lines[0].split()[:2] == ["streamtop", "prod"]
            assert lines[0].rstrip().endswith("RO")
            assert any("ACTIVE▾" in line for line in lines), "the order of the lab stays in the lab"
            assert not any("lab-" in line for line in lines)
            assert not grounds(await console.coloured()) <= dark, "another theme is seen at a glance"
            await in_the_palette(console, "profile lab")
            lines = await console.until("the lab as it was left", holds("(1 hidden)"))
            assert any("TOTAL▾" in line for line in lines)
            await console.keys("q")
            await console.until("the end", holds("left with 0"))
        async with terminal(tmp_path, 120, 24, term="xterm-256color") as console:
            lines = await console.until("the lab, the day after", holds("(1 hidden)"))
            assert any("TOTAL▾" in line for line in lines)
    assert all("accessToken=lab-token" in one.query for one in lab.requests if one.path.endswith("/usage"))
    assert all("accessToken=prod-token" in one.query for one in prod.requests if one.path.endswith("/usage"))


async def test_a_recording_is_played_with_the_same_keys(tmp_path: Path) -> None:
    minute, noon = 60_000, 1_795_003_200_000
    clock = TestClock(noon)
    tape = Recording(tmp_path / "night.tape", clock)
    for number in range(12):
        clock.at_ms = noon + number * minute
        changed = [session(f"s{number:02}", clock.at_ms, active=number)]
        tape.write_message(SessionsPolled(changed, [], not number, clock.at_ms, [], ""))
    clock.at_ms += 1000
    tape.write_message(PollFailed("sm: nothing answers there", False, 1000))
    tape.close()
    async with terminal(tmp_path, 100, 24, "replay", str(tmp_path / "night.tape"), "-t", "3m ago") as console:
        lines = await console.until("the table of then", holds("live/s08"))
        assert "recording night.tape" in lines[0]
        assert "RO" in lines[0]
        assert "clock" not in lines[0], "it is of another time, and no clock is wrong for that"
        assert not any("live/s09" in line for line in lines), "what came later is not known yet"
        await console.keys(",", ",")
        lines = await console.until("two polls before", holds("stepped back to"))
        assert any("live/s06" in line for line in lines)
        assert not any("live/s07" in line for line in lines)
        await console.keys("d", "D")
        assert not any("Delete" in line for line in await console.lines())
        await in_the_palette(console, "jump 7m")
        await console.until("earlier still", lambda lines: not any("live/s02" in line for line in lines))
        await console.keys("0")
        await console.until("as far as it was played", holds("live/s08"))
        await console.keys("q")
        await console.until("the end", holds("left with 0"))


async def test_crash_traceback_shows_no_values(tmp_path: Path) -> None:
    script = tmp_path / "crashing.py"
    script.write_text(
        "from tui.cli import main\n"
        "from tui.app.state import ConsoleState\n"
        "def fail(self, polled):\n"
        "    hidden_local = 'a local ' + 'value'\n"
        f"    raise RuntimeError('{TOKEN} in \\x1b]2;owned\\x07 \\u202elive\\x9b2J')\n"
        "ConsoleState.apply_poll = fail\n"
        "main()\n"
    )
    async with PlainManager(wire("cam"), token=TOKEN) as manager:
        config_of(tmp_path, f'[profiles.one]\nurl = "{manager.url}"\ntoken_file = "token"\n', token=manager.token)
        program = (sys.executable, str(script))
        async with terminal(tmp_path, 120, 50, "--profile", "one", program=program) as console:
            lines = await console.until("the end", holds("left with 1"))
            told = "\n".join(lines)
            assert "RuntimeError: ••• in ␛]2;owned" in told
            assert "_sessions_polled" in told, "where it was"
            assert TOKEN not in told
            assert "a local value" not in told
            assert (await console.tmux("display-message", "-p", "-t", "console", "#{pane_title}")).strip() != "owned"
