"""The real program in real terminals: kinds of terminals, profiles, recordings, and a crash."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.console.records import recent, session
from tests.support.console.scripted_service import SettableClock
from tests.support.console.terminals.terminal import Terminal, contains, terminal
from tests.support.plain_manager import PlainManager, wire
from tests.support.waiting import wait_until
from tui.app.messages import PollFailed, SessionsPolled
from tui.recording.recording import Recording, read_recording

pytestmark = pytest.mark.terminal

KINDS = {"xterm-256color": "256", "screen-256color": "256", "tmux-256color": "256", "linux": "16"}
TOKEN = "crash-t0ken"


def write_config(directory: Path, text: str, **tokens: str) -> None:
    folder = directory / "home" / ".config" / "streamtop"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(text)
    for name, token in tokens.items():
        (folder / name).write_text(f"{token}\n")
        (folder / name).chmod(0o600)


def background_colours(screen: str) -> set[str]:
    """Return the background colours of a screen."""
    return set(re.findall(r"48;(?:5;\d+|2;\d+;\d+;\d+)", screen))


def write_to(terminal_file: str, text: str) -> None:
    """Write to a terminal as another program does."""
    Path(terminal_file).write_text(text)


def child_of(pid: str) -> int:
    """Return the process that a shell runs."""
    return int(subprocess.run(["pgrep", "-P", pid], capture_output=True, text=True, check=True).stdout.split()[0])


async def run_palette_command(console: Terminal, command: str) -> None:
    await console.keys(":")
    await console.wait_for_screen("the palette", contains("Commands"))
    await console.tmux("send-keys", "-t", "console", "-l", command)
    await console.keys("Enter")


@pytest.mark.parametrize("term", KINDS)
async def test_console_runs_in_every_kind_of_terminal(tmp_path: Path, term: str) -> None:
    start = recent(300)
    records = [wire(f"cam-{number:02}", start=start + number) for number in range(60)]
    async with PlainManager(*records, wire("日本語", start=start)) as manager:
        write_config(tmp_path, f'[profiles.one]\nurl = "{manager.url}"\ntoken_file = "token"\n', token=manager.token)
        async with terminal(tmp_path, 100, 30, "--profile", "one", term=term) as console:
            await console.wait_for_screen("the table", contains("live/cam-59"))
            await console.keys("Down", "NPage", "End")
            await console.wait_for_screen("the last row", contains("61 of 61"))
            await console.keys("Home", "/", *"cam-0", "Enter")
            await console.wait_for_screen("the filter", contains("(51 hidden)"))
            await console.keys("Enter")
            lines = await console.wait_for_screen("the detail", contains("1 session of this stream"))
            braille = any("\u2800" <= character <= "\u28ff" for line in lines for character in line)
            codes = set(re.findall(r"\x1b\[([0-9;]*)m", await console.coloured()))
            if KINDS[term] == "16":
                assert not braille
                assert not any("38;" in code or "48;" in code for code in codes)
            else:
                assert any("38;" in code for code in codes)
            await console.keys("Escape", "?")
            await console.wait_for_screen("the help", contains("Keys in the sessions view"))
            await console.keys("Escape", "q")
            lines = await console.wait_for_screen("the end", contains("left with 0"))
            assert not any("live/cam" in line for line in lines), "the previous screen is restored"


@pytest.mark.parametrize("flag", ["--display-stage", "--no-display-stage"])
async def test_console_draws_the_whole_screen_again(tmp_path: Path, flag: str) -> None:
    start = recent(300)
    async with PlainManager(*(wire(f"cam-{number}", start=start + number) for number in range(9))) as manager:
        (tmp_path / "token").write_text(manager.token + "\n")
        options = ("--url", manager.url, "--token-file", str(tmp_path / "token"), flag)
        async with terminal(tmp_path, 80, 24, *options, term="tmux-256color") as console:
            whole = await console.wait_for_screen("the table", contains("live/cam-8"))
            pane, pid = (await console.tmux("display", "-p", "-t", "console", "#{pane_tty} #{pane_pid}")).split()
            await console.keys("Down")
            await console.wait_for_screen("the cursor", lambda lines: lines[5].startswith("▸"))
            whole = [line for line in await console.lines() if "cam-" in line]

            async def cam_lines(what: str) -> None:
                await console.wait_for_screen(what, lambda lines: [line for line in lines if "cam-" in line] == whole)

            write_to(pane, "\x1b[5;1H\x1b[7mwritten by another program\x1b[m\x1b[8;1H\x1b[2K")
            await console.wait_for_screen("foreign text", contains("written by another"))
            await console.keys("C-l")
            await cam_lines("the table again")
            child = child_of(pid)
            os.kill(child, signal.SIGTSTP)
            await asyncio.sleep(0.5)
            os.kill(child, signal.SIGCONT)
            await cam_lines("the table after the program was stopped and continued")
            await console.tmux("resize-window", "-t", "console", "-x", "100", "-y", "30")
            await console.wait_for_screen("the new size", lambda lines: len(lines[0]) > 80 or "streamtop" in lines[0])
            await console.tmux("resize-window", "-t", "console", "-x", "80", "-y", "24")
            await cam_lines("the table in its former size")
            await console.keys("q")
            lines = await console.wait_for_screen("the end", contains("left with 0"))
            assert not any("cam-" in line for line in lines)


async def test_profiles_have_their_own_theme_table_and_rights(tmp_path: Path) -> None:
    start = recent(300)
    async with (
        PlainManager(wire("lab-cam", start=start), wire("lab-b", start=start), token="lab-token") as lab,
        PlainManager(wire("prod-cam", start=start), token="prod-token") as prod,
    ):
        write_config(
            tmp_path,
            'default_profile = "lab"\n'
            f'[profiles.lab]\nurl = "{lab.url}"\ntoken_file = "lab"\ntheme = "dark"\n'
            f'[profiles.prod]\nurl = "{prod.url}"\ntoken_file = "prod"\ntheme = "light"\nread_only = true\n',
            lab="lab-token",
            prod="prod-token",
        )
        async with terminal(tmp_path, 120, 24, term="xterm-256color") as console:
            await console.wait_for_screen("the lab", contains("live/lab-cam"))
            dark = background_colours(await console.coloured())
            await run_palette_command(console, "sort total")
            await console.wait_for_screen("sorted by total", contains("TOTAL▾"))
            await console.keys("/", *"cam", "Enter")
            await console.wait_for_screen("filtered", contains("(1 hidden)"))
            await console.keys("P")
            await console.wait_for_screen("the profiles", lambda lines: any("prod" in line for line in lines))
            await console.keys(*"prod", "Enter")
            lines = await console.wait_for_screen("the other service", contains("live/prod-cam"))
            assert lines[0].split()[:2] == ["streamtop", "prod"]
            assert lines[0].rstrip().endswith("RO")
            assert any("ACTIVE▾" in line for line in lines), "the order of the lab stays in the lab"
            assert not any("lab-" in line for line in lines)
            assert not background_colours(await console.coloured()) <= dark, "the theme is visibly different"
            await run_palette_command(console, "profile lab")
            lines = await console.wait_for_screen("the lab with its former filter", contains("(1 hidden)"))
            assert any("TOTAL▾" in line for line in lines)
            await console.keys("q")
            await console.wait_for_screen("the end", contains("left with 0"))
        async with terminal(tmp_path, 120, 24, term="xterm-256color") as console:
            lines = await console.wait_for_screen("the lab after a restart", contains("(1 hidden)"))
            assert any("TOTAL▾" in line for line in lines)
    for manager, token in ((lab, "lab-token"), (prod, "prod-token")):
        queries = [request.query for request in manager.requests if request.path.endswith("/usage")]
        assert all(f"accessToken={token}" in query for query in queries)


async def test_recording_pauses_while_another_profile_is_shown(tmp_path: Path) -> None:
    start = recent(300)
    async with (
        PlainManager(wire("lab-cam", start=start), token="t") as lab,
        PlainManager(wire("prod-cam", start=start), token="t") as prod,
    ):
        common = 'token_file = "token"\npoll_interval = "200ms"\n'
        profiles = {"lab": lab, "prod": prod}
        config = "".join(f'[profiles.{name}]\nurl = "{one.url}"\n{common}' for name, one in profiles.items())
        write_config(tmp_path, config, token="t")
        tape = tmp_path / "lab.tape"
        async with terminal(tmp_path, 80, 24, "--profile", "lab", "--record", str(tape), term="xterm") as console:
            await console.wait_for_screen("the lab", contains("live/lab-cam"))
            await run_palette_command(console, "profile prod")
            lines = await console.wait_for_screen("the reason", contains("The recording of lab is paused"))
            page = " ".join(" ".join(line.strip(" │") for line in lines).split())
            assert "The recording continues when you switch back to lab. prod is not recorded." in page
            assert "streamtop --profile prod --record FILE" in page
            kept = tape.read_bytes()
            assert kept
            await console.keys("Escape")
            await console.wait_for_screen("the other service", contains("live/prod-cam"))
            assert tape.read_bytes() == kept
            await run_palette_command(console, "profile lab")
            await console.wait_for_screen("that it continues", contains("The recording of lab continues in"))
            await console.keys("Escape")
            await console.wait_for_screen("the lab again", contains("live/lab-cam"))
            await wait_until(lambda: len(tape.read_bytes()) > len(kept), "a poll recorded after the pause")
            await console.keys("q")
            await console.wait_for_screen("the end", contains("left with 0"))
    polls = read_recording(tape)
    assert [session.name for poll in polls for session in poll.changed if poll.reset] == ["lab-cam", "lab-cam"]


async def test_recording_is_replayed_with_the_same_keys(tmp_path: Path) -> None:
    minute, noon = 60_000, 1_795_003_200_000
    clock = SettableClock(noon)
    tape = Recording(tmp_path / "night.tape", clock)
    for number in range(12):
        clock.at_ms = noon + number * minute
        changed = [session(f"s{number:02}", clock.at_ms, active=number)]
        tape.write_message(SessionsPolled(changed, [], not number, clock.at_ms, [], ""))
    clock.at_ms += 1000
    tape.write_message(PollFailed("sm: nothing answers there", False, 1000))
    tape.close()
    async with terminal(tmp_path, 100, 24, "replay", str(tmp_path / "night.tape"), "-t", "3m ago") as console:
        lines = await console.wait_for_screen("the table of that time", contains("live/s08"))
        assert "recording night.tape" in lines[0]
        assert "RO" in lines[0]
        assert "clock" not in lines[0], "a replay shows no clock difference"
        assert not any("live/s09" in line for line in lines), "later sessions are not shown yet"
        await console.keys(",", ",")
        lines = await console.wait_for_screen("two polls before", contains("stepped back to"))
        assert any("live/s06" in line for line in lines)
        assert not any("live/s07" in line for line in lines)
        await console.keys("d", "D")
        assert not any("Delete" in line for line in await console.lines())
        await run_palette_command(console, "jump 7m")
        await console.wait_for_screen("an earlier table", lambda lines: not any("live/s02" in line for line in lines))
        await console.keys("0")
        await console.wait_for_screen("the newest replayed poll", contains("live/s08"))
        await console.keys("q")
        await console.wait_for_screen("the end", contains("left with 0"))


async def test_replay_has_the_users_keys_and_display_stage(tmp_path: Path) -> None:
    write_config(tmp_path, '[keys]\n"step(-1)" = "f9"\n')
    clock = SettableClock(1_795_003_200_000)
    tape = Recording(tmp_path / "night.tape", clock)
    for number in range(3):
        clock.at_ms += 60_000
        tape.write_message(SessionsPolled([session(f"s{number}", clock.at_ms)], [], not number, clock.at_ms, [], ""))
    tape.close()
    sent: dict[str, int] = {}
    for stage in ("--display-stage", "--no-display-stage"):
        output = tmp_path / stage
        arguments = ("replay", str(tmp_path / "night.tape"), "-t", "0s ago", stage)
        async with terminal(tmp_path, 100, 24, *arguments) as console:
            await console.wait_for_screen("the newest table", contains("live/s2"))
            await console.tmux("pipe-pane", "-O", shlex.join(["tee", str(output)]))
            await console.keys("F9")
            await console.wait_for_screen("the poll before", contains("stepped back to"))
            await console.keys("q")
            await console.wait_for_screen("the end", contains("left with 0"))
            await wait_until(lambda path=output: b"left with 0" in path.read_bytes(), "all output is in the file")
            sent[stage] = output.stat().st_size
    assert 0 < 2 * sent["--display-stage"] < sent["--no-display-stage"]


async def test_crash_traceback_shows_no_values(tmp_path: Path) -> None:
    script = tmp_path / "crashing.py"
    script.write_text(
        "from tui.cli import main\n"
        "from tui.app.state import ConsoleState\n"
        "def fail(self, polled):\n"
        "    hidden_local = 'a local ' + 'value'\n"
        f"    raise RuntimeError('{TOKEN} in \\x1b]2;owned\\x07 \\u202elive\\x9b2J')\n"
        "ConsoleState.apply_steps = fail\n"
        "main()\n"
    )
    async with PlainManager(wire("cam"), token=TOKEN) as manager:
        write_config(tmp_path, f'[profiles.one]\nurl = "{manager.url}"\ntoken_file = "token"\n', token=manager.token)
        program = (sys.executable, str(script))
        async with terminal(tmp_path, 120, 50, "--profile", "one", program=program) as console:
            lines = await console.wait_for_screen("the end", contains("left with 1"))
            screen = "\n".join(lines)
            assert "RuntimeError: ••• in ␛]2;owned" in screen
            assert "_apply_poll" in screen, "the traceback names the function"
            assert TOKEN not in screen
            assert "a local value" not in screen
            assert (await console.tmux("display-message", "-p", "-t", "console", "#{pane_title}")).strip() != "owned"
