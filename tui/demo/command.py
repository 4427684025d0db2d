"""`streamtop demo`: the estate in its own process, and the console connected to it.

The console connects by URL and token file as to any service, so the demo shows the real product.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from tui.commands.errors import CommandError

DEFAULT_SPEED = 6.0
DAY_MS = 86_400_000
BEFORE_MIDNIGHT_MS = 5 * 60_000
"""Start of the tour."""


@click.command(
    cls=HelpfulCommand, exit_codes={**LOCAL_EXIT_CODES, ExitCode.UNAVAILABLE: "the port of the service cannot be used"}
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the audience.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 120),
    default=DEFAULT_SPEED,
    show_default=True,
    help="Speed of the demo's time. At 6, a minute takes ten seconds.",
)
@click.option(
    "--headless", is_flag=True, help="Run without the console, and print URL and token file as one JSON line."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the service; a free one by default.")
@click.option("--tour", is_flag=True, help="Start a guided tour.")
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a recording of the outage for `streamtop replay`, without a console.",
)
@click.option("--until-stdin-ends", is_flag=True, hidden=True)
def demo(
    seed: int, speed: float, headless: bool, port: int, tour: bool, record: Path | None, until_stdin_ends: bool
) -> None:
    """Run the console on a live estate: three servers, a dozen streams, and an outage.

    After a few seconds, the agent of edge-2 loses its network and the gap view (g) shows the missing time; a little
    later the network returns and the time is backfilled. Everything is real except the media servers and the clock.

    \b
    Examples:
      streamtop demo
      streamtop demo --tour                     ten minutes, at your own pace
      streamtop demo --headless --port 5080     then, elsewhere: streamtop --url … --token-file …
      streamtop demo --record outage.tape       then: streamtop replay outage.tape
    """
    if record is not None:
        if tour or headless:
            raise click.UsageError("--record writes a file and exits; it excludes --tour and --headless")
        _record(record, seed)
        return
    if headless:
        _run_headless(seed, speed, port, until_stdin_ends, tour)
        return
    from tui.app.launch import run_console, why_no_console
    from tui.config.hidden_token import HiddenToken
    from tui.config.settings import ConnectionSettings

    if why_not := why_no_console():
        raise CommandError(why_not, ExitCode.USAGE)
    with _estate_process(seed, speed, port, tour) as (attach, tell):
        token_file = Path(attach["token_file"])
        token, journal_path = token_file.read_text("utf-8").strip(), token_file.with_name("deleted.ndjson")
        if tour:
            from tui.demo.tour import run_tour

            sys.exit(run_tour(attach["url"], token, tell, journal_path))
        settings = ConnectionSettings(
            url=attach["url"],
            token=HiddenToken(token),
            token_file=token_file,
            profile="demo",
            poll_interval_s=1.0,
        )
        sys.exit(run_console(settings, demo_journal=journal_path))


def _record(file: Path, seed: int) -> None:
    import asyncio
    import logging

    from streamusage.service.server import ListenError
    from tui.demo.recording import make_recording
    from tui.recording.errors import RecordingError

    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)
    try:
        polls = asyncio.run(make_recording(file, seed))
    except (RecordingError, ListenError) as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    click.echo(f"{polls} polls in {file}; streamtop replay {file} plays them", err=True)


def _run_headless(seed: int, speed: float, port: int, until_stdin_ends: bool, tour: bool) -> None:
    import asyncio
    import logging
    import signal
    import time

    from streamusage.service.server import ListenError
    from tui.demo.estate import run_headless

    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)

    def ready(url: str, token_file: Path) -> None:
        _progress(1.0)
        click.echo(json.dumps({"url": url, "token_file": str(token_file), "seed": seed, "speed": speed}))
        sys.stdout.flush()

    async def run(directory: Path) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            ends.append(signal.SIGHUP)
        for number in ends:
            loop.add_signal_handler(number, stop.set)
        lines: asyncio.Queue[str] | None = asyncio.Queue() if tour else None

        def read_commands() -> None:
            text = os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace")
            if not text:
                stop.set()
            elif lines is not None:
                for line in text.splitlines():
                    lines.put_nowait(line)

        if until_stdin_ends:
            loop.add_reader(sys.stdin.fileno(), read_commands)
        now_ms = time.time_ns() // 1_000_000
        if tour:  # its outage crosses midnight at any hour
            now_ms = now_ms - now_ms % DAY_MS - BEFORE_MIDNIGHT_MS
        first_speed = 1.0 if tour else speed
        await run_headless(directory, seed, first_speed, port, now_ms, _progress, ready, stop, lines)

    with tempfile.TemporaryDirectory(prefix="streamtop-demo-") as directory:
        try:
            asyncio.run(run(Path(directory)))
        except ListenError as error:
            click.echo(f"streamtop demo: {error}", err=True)
            sys.exit(ExitCode.UNAVAILABLE)


def _progress(done: float) -> None:
    """Show a progress bar on stderr while the history is made, if it is a terminal."""
    if sys.stderr.isatty():
        width = int(done * 30)
        end = "\r\x1b[K" if done >= 1 else ""
        sys.stderr.write(f"\rmaking the last 45 minutes  {'█' * width}{'·' * (30 - width)}{end}")
        sys.stderr.flush()


@contextmanager
def _estate_process(
    seed: int, speed: float, port: int, tour: bool
) -> Iterator[tuple[dict[str, str], Callable[[str], None]]]:
    """Run the headless demo as a child process, which ends with this one.

    Yields how to connect, and a function that sends the estate a command.
    """
    command = [sys.executable, "-m", "tui", "demo", "--headless", "--until-stdin-ends"]
    command += ["--seed", str(seed), "--speed", str(speed), "--port", str(port), *(["--tour"] if tour else [])]
    # In its own session: a closed terminal ends this process, and the child cleans up after both.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdin is not None
    assert child.stdout is not None
    commands = child.stdin

    def send_command(command: str) -> None:
        with contextlib.suppress(OSError):
            commands.write(f"{command}\n".encode())
            commands.flush()

    try:
        line = child.stdout.readline()
        if not line:
            sys.exit(child.wait() or ExitCode.UNAVAILABLE)
        yield json.loads(line), send_command
    finally:
        child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=60)  # a busy machine needs time to clean up; a killed child leaves its files
        if child.poll() is None:
            child.kill()
            child.wait()
