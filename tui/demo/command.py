"""`streamtop demo`: the estate in a process of its own, and the console on top of it.

The console attaches by URL and token file as it would to any service, so what the demo shows is what the product does.
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

from tui.commands.errors import THIS_MACHINE, USAGE, CommandError

DEFAULT_SPEED = 6.0
DAY_MS = 86_400_000
BEFORE_MIDNIGHT_MS = 5 * 60_000
"""When the tour begins."""


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same audience.")
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 120),
    default=DEFAULT_SPEED,
    show_default=True,
    help="How fast the demo's time runs. At 6 a minute passes in ten seconds.",
)
@click.option("--headless", is_flag=True, help="Run all but the console, and print how to attach as one JSON line.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where the service listens; a free one by default."
)
@click.option("--tour", is_flag=True, help="Be shown around: what to look at, and which key to press.")
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Make a recording of the outage for `streamtop replay`, and show nothing.",
)
@click.option("--until-stdin-ends", is_flag=True, hidden=True)
def demo(
    seed: int, speed: float, headless: bool, port: int, tour: bool, record: Path | None, until_stdin_ends: bool
) -> None:
    """A live estate to try the console on: three servers, a dozen streams, and an outage.

    A few seconds in, the agent of edge-2 loses its network and the gap view (g) shows what is missing; a little later
    it is back and what it counted meanwhile is filled in. Everything but the media servers and the clock is real.

    \b
    Examples:
      streamtop demo
      streamtop demo --tour                     ten minutes, at your own pace
      streamtop demo --headless --port 5080     then, elsewhere: streamtop --url … --token-file …
      streamtop demo --record outage.tape       then: streamtop replay outage.tape
    """
    if record is not None:
        if tour or headless:
            raise click.UsageError("--record makes a file and ends; it goes with neither --tour nor --headless")
        _record(record, seed)
        return
    if headless:
        _run_headless(seed, speed, port, until_stdin_ends, tour)
        return
    from tui.app.launch import Setup, run_console, why_no_console

    if why_not := why_no_console():
        raise CommandError(why_not, USAGE)
    with _estate_process(seed, speed, port, tour) as (attach, tell):
        token_file = Path(attach["token_file"])
        token, journal_path = token_file.read_text("utf-8").strip(), token_file.with_name("deleted.ndjson")
        if tour:
            from tui.demo.tour import run_tour

            sys.exit(run_tour(attach["url"], token, tell, journal_path))
        setup = Setup(
            url=attach["url"],
            token=token,
            profile_name="demo",
            poll_interval=1.0,
            remembers=False,
            shows_skew=False,
            journal_path=journal_path,
        )
        sys.exit(run_console(setup))


def _record(file: Path, seed: int) -> None:
    import asyncio
    import logging

    from streamusage.service.server import ListenError
    from tui.demo.recording import make_recording
    from tui.recording.recording import RecordingError

    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)
    try:
        polls = asyncio.run(make_recording(file, seed))
    except (RecordingError, ListenError) as error:
        raise CommandError(str(error), THIS_MACHINE) from None
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

        def heard() -> None:
            told = os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace")
            if not told:
                stop.set()
            elif lines is not None:
                for line in told.splitlines():
                    lines.put_nowait(line)

        if until_stdin_ends:
            loop.add_reader(sys.stdin.fileno(), heard)
        now_ms = time.time_ns() // 1_000_000
        if tour:  # its outage goes over midnight, whatever the hour
            now_ms = now_ms - now_ms % DAY_MS - BEFORE_MIDNIGHT_MS
        first_speed = 1.0 if tour else speed
        await run_headless(directory, seed, first_speed, port, now_ms, _progress, ready, stop, lines)

    with tempfile.TemporaryDirectory(prefix="streamtop-demo-") as directory:
        try:
            asyncio.run(run(Path(directory)))
        except ListenError as error:
            click.echo(f"streamtop demo: {error}", err=True)
            sys.exit(3)


def _progress(done: float) -> None:
    """A bar on stderr while the history is made, where somebody watches."""
    if sys.stderr.isatty():
        width = int(done * 30)
        end = "\r\x1b[K" if done >= 1 else ""
        sys.stderr.write(f"\rmaking the last 45 minutes  {'█' * width}{'·' * (30 - width)}{end}")
        sys.stderr.flush()


@contextmanager
def _estate_process(
    seed: int, speed: float, port: int, tour: bool
) -> Iterator[tuple[dict[str, str], Callable[[str], None]]]:
    """The headless demo as a child, which ends with this process however that ends: how to attach, and to tell it."""
    command = [sys.executable, "-m", "tui", "demo", "--headless", "--until-stdin-ends"]
    command += ["--seed", str(seed), "--speed", str(speed), "--port", str(port), *(["--tour"] if tour else [])]
    # In a session of its own: a terminal that is closed ends this process, and the child clears up after both.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdin is not None
    assert child.stdout is not None
    told = child.stdin

    def tell(what: str) -> None:
        with contextlib.suppress(OSError):
            told.write(f"{what}\n".encode())
            told.flush()

    try:
        line = child.stdout.readline()
        if not line:
            sys.exit(child.wait() or 3)
        yield json.loads(line), tell
    finally:
        child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=60)  # a busy machine needs time to clear up; a killed child leaves its files
        if child.poll() is None:
            child.kill()
            child.wait()
