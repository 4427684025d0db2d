"""`streamtop demo`: two estates in a process of their own, and the console connected to both.

The console connects by URL and token file as to any service, so the demo shows the real product.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from streamusage.extras import describe_missing
from tui.commands.errors import CommandError

DEFAULT_SPEED = 6.0


@click.command(
    cls=HelpfulCommand, exit_codes={**LOCAL_EXIT_CODES, ExitCode.UNAVAILABLE: "the port of the service cannot be used"}
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the audience from the start on.")
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
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of the first service; a free one by default."
)
@click.option("--tour", is_flag=True, help="Start a guided tour.")
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a recording of the outage at the first service, in seconds and without a console.",
)
@click.option("--until-stdin-ends", is_flag=True, hidden=True)
def demo(
    seed: int, speed: float, headless: bool, port: int, tour: bool, record: Path | None, until_stdin_ends: bool
) -> None:
    """Run the console on a live estate: two services, five media servers, a month of days, and an outage.

    Without the extras service and agent, it plays a recording of the same outage instead.

    The demo's time begins on a Saturday, ten minutes before midnight. After a few seconds, the agent of edge-2
    loses its network: sums become lower bounds (≥), an alert fires (a), and the gap view (g) shows the missing
    time; a little later the network returns, the time is backfilled and the alert ends. The days view (y) has the
    month: final, adjusted, with time that is partial or lost. Everything is real except the media servers and the
    clock. One line explains what to look at; ctrl+t hides it.

    --record makes its recording on a clock of its own, so that the same seed makes the same file; it is of the
    service of the outage alone. To record what a console shows, start --headless and connect a console with
    --record: to the first service by --url, or to both by two profiles (--profile eu,us).

    \b
    Examples:
      streamtop demo
      streamtop demo --tour                     ten minutes, at your own pace
      streamtop demo --headless --port 5080     then, elsewhere: streamtop --url … --token-file …
      streamtop demo --record outage.tape       then: streamtop replay outage.tape
      streamtop --url … --token-file … --record FILE    records what the console shows of --headless
    """
    if record is not None and (tour or headless):
        raise click.UsageError("--record writes a file and exits; it excludes --tour and --headless")
    if missing := describe_missing("streamtop demo", ("service", "agent"), suggested="all"):
        from tui.demo.packaged_recording import play

        if tour or headless or record is not None:
            raise CommandError(missing, ExitCode.USAGE)
        click.echo(f"streamtop: {missing}; until then a recording of it plays", err=True)
        sys.exit(play(speed))
    if record is not None:
        _record(record, seed)
        return
    if headless:
        _run_headless(seed, speed, port, until_stdin_ends, tour)
        return
    from tui.app.launch import why_no_console

    if why_not := why_no_console():
        raise CommandError(why_not, ExitCode.USAGE)
    sys.exit(_run_console(seed, speed, port, tour))


def _run_console(seed: int, speed: float, port: int, tour: bool) -> int:
    from tui.demo.starting import EstateProcess, ProgressLine, quiet_keyboard

    arguments = ["--seed", str(seed), "--speed", str(speed), "--port", str(port), *(["--tour"] if tour else [])]
    with contextlib.ExitStack() as stack:
        with quiet_keyboard():
            line = ProgressLine()
            line.show(0, "starting Python")
            try:
                estate = EstateProcess(arguments)
                stack.callback(estate.close)
                attach = estate.attach(line.show, _import_console)
            except KeyboardInterrupt:
                line.show(1, "interrupted; removing its files")
                stack.close()
                return ExitCode.INTERRUPTED
            finally:
                line.end()
        if "error" in attach:
            code = next(code for code in ExitCode if int(code) == attach["code"])
            raise CommandError(attach["error"], code)
        if tour:
            from tui.demo.tour import run_tour

            return run_tour(attach, estate.send)
        from tui.demo.hints import run_with_hints

        return run_with_hints(attach)


def _import_console() -> None:
    """Import what the console needs while the estate starts in its own process."""
    import httpx  # noqa: F401

    import tui.app.poller
    import tui.app.services.app
    import tui.demo.hints  # noqa: F401


def _record(file: Path, seed: int) -> None:
    import asyncio
    import logging

    from streamusage.service.serving.listening import ListenError
    from tui.demo.prepared import DamagedArchiveError
    from tui.demo.recording import make_recording
    from tui.recording.errors import RecordingError

    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)
    try:
        polls = asyncio.run(make_recording(file, seed))
    except (RecordingError, ListenError, DamagedArchiveError) as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    click.echo(f"{polls} polls in {file}; streamtop replay {file} plays them", err=True)


def _run_headless(seed: int, speed: float, port: int, until_stdin_ends: bool, tour: bool) -> None:
    import asyncio
    import logging
    import signal

    from tui.demo.starting import ProgressLine

    line = ProgressLine()

    def show_progress(done: float, doing: str) -> None:
        if until_stdin_ends:  # the console's process draws it
            _print_line({"progress": done, "doing": doing})
        else:
            line.show(done, doing)

    show_progress(0.05, "starting the services")

    from streamusage.service.serving.listening import ListenError
    from tui.demo.estate import Estate
    from tui.demo.headless import run_headless
    from tui.demo.prepared import DamagedArchiveError

    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)

    def print_ready(estates: list[Estate]) -> None:
        line.end()
        services = {estate.region.name: {"url": estate.url, "token_file": str(estate.token_file)} for estate in estates}
        first = next(iter(services.values()))
        _print_line({**first, "seed": seed, "speed": speed, "services": services})

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
                for command in text.splitlines():
                    lines.put_nowait(command)

        if until_stdin_ends:
            loop.add_reader(sys.stdin.fileno(), read_commands)
        await run_headless(
            directory,
            seed=seed,
            speed=1.0 if tour else speed,
            port=port,
            progress=show_progress,
            ready=print_ready,
            stop=stop,
            lines=lines,
        )

    with tempfile.TemporaryDirectory(prefix="streamtop-demo-") as directory:
        try:
            asyncio.run(run(Path(directory)))
        except (ListenError, DamagedArchiveError) as error:
            line.end()
            code = ExitCode.UNAVAILABLE if isinstance(error, ListenError) else ExitCode.FAILURE
            if until_stdin_ends:  # the console's process prints it
                _print_line({"error": str(error), "code": int(code)})
                return
            raise CommandError(str(error), code) from None


def _print_line(line: dict[str, object]) -> None:
    click.echo(json.dumps(line))
    sys.stdout.flush()
