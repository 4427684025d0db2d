"""`streamtop demo`: the estate in a process of its own, and the console on top of it.

The console attaches by URL and token file as it would to any service, so what the demo shows is what the product does.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tui.commands.failure import USAGE, CommandFailed

DEFAULT_SPEED = 6.0


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
@click.option("--until-stdin-ends", is_flag=True, hidden=True)
def demo(seed: int, speed: float, headless: bool, port: int, until_stdin_ends: bool) -> None:
    """A live estate to try the console on: three servers, a dozen streams, and an outage.

    A few seconds in, the agent of edge-2 loses its network and the gap view (g) shows what is missing; a little later
    it is back and what it counted meanwhile is filled in. Everything but the media servers and the clock is real.

    \b
    Examples:
      streamtop demo
      streamtop demo --headless --port 5080     then, elsewhere: streamtop --url … --token-file …
    """
    if headless:
        _run_headless(seed, speed, port, until_stdin_ends)
        return
    from tui.console import Setup, run_console, why_no_console

    if why_not := why_no_console():
        raise CommandFailed(why_not, USAGE)
    with _estate_process(seed, speed, port) as attach:
        token = Path(attach["token_file"]).read_text("utf-8").strip()
        setup = Setup(url=attach["url"], token=token, profile_name="demo", poll_interval=1.0, remembers=False)
        sys.exit(run_console(setup))


def _run_headless(seed: int, speed: float, port: int, until_stdin_ends: bool) -> None:
    import asyncio
    import logging
    import signal
    import time

    from streamusage.service.run import ListenError
    from tui.demo.estate import run_headless

    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)

    def ready(url: str, token_file: Path) -> None:
        _progress(1.0)
        click.echo(json.dumps({"url": url, "token_file": str(token_file), "seed": seed, "speed": speed}))
        sys.stdout.flush()

    async def run(directory: Path) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if until_stdin_ends:
            stdin = sys.stdin.fileno()
            loop.add_reader(stdin, lambda: None if os.read(stdin, 1) else stop.set())
        await run_headless(directory, seed, speed, port, time.time_ns() // 1_000_000, _progress, ready, stop)

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
def _estate_process(seed: int, speed: float, port: int) -> Iterator[dict[str, str]]:
    """The headless demo as a child, which ends with this process however that ends."""
    command = [sys.executable, "-m", "tui", "demo", "--headless", "--until-stdin-ends"]
    command += ["--seed", str(seed), "--speed", str(speed), "--port", str(port)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        if not line:
            sys.exit(child.wait() or 3)
        yield json.loads(line)
    finally:
        child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
        if child.poll() is None:
            child.kill()
            child.wait()
