"""`streamtop replay`: plays a recording of the console."""

import sys
from pathlib import Path

import click

from streamusage.core.days import UnknownZoneError, zone
from tui.commands.errors import THIS_MACHINE, USAGE, CommandError
from tui.commands.flags import tz_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-t", "--from", "begin", metavar="TIME", help="Start of the replay: 12:40, or '3m ago' from its end.")
@tz_option
def replay(file: Path, begin: str | None, tz: str | None) -> None:
    """Play a recording of `streamtop --record FILE` in the same console.

    The gap view shows the coverage that was polled while it was open; a recording of `streamtop demo --record FILE` has
    all of it.

    , and . step one poll back and forth, p pauses, :jump 12:40 goes to a time. No service is contacted.

    \b
    Examples:
      streamtop --record tonight.tape
      streamtop replay tonight.tape -t '3m ago'
    """
    from tui.app.launch import run_replay, why_no_console
    from tui.model.instants import instant
    from tui.model.text import sanitize
    from tui.recording.recording import RecordingError, read_recording

    try:
        times_in = zone(tz) if tz else zone("UTC")
        polls = read_recording(file)
    except UnknownZoneError as error:
        raise CommandError(str(error), USAGE) from None
    except RecordingError as error:
        raise CommandError(str(error), THIS_MACHINE) from None
    if not polls:
        raise CommandError(f"{file} contains no poll", THIS_MACHINE)
    from_ms = polls[0].at
    if begin is not None:
        found = instant(begin, polls[-1].at, times_in)
        if found is None:
            raise CommandError(f"-t {begin!r} is not a time; give one such as 12:40 or '3m ago'", USAGE)
        from_ms = found
    if why_not := why_no_console():
        raise CommandError(why_not, USAGE)
    sys.exit(run_replay(polls, from_ms, name=f"recording {sanitize(file.name)}", tz=times_in))
