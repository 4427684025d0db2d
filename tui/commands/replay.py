"""`streamtop replay`: a recording of the console, played again."""

import sys
from pathlib import Path

import click

from streamusage.core.days import UnknownZoneError, zone
from tui.commands.errors import THIS_MACHINE, USAGE, CommandError
from tui.commands.flags import tz_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-t", "--from", "begin", metavar="TIME", help="Where to begin: 12:40, or '3m ago' from its end.")
@tz_option
def replay(file: Path, begin: str | None, tz: str | None) -> None:
    """Plays a recording that `streamtop --record FILE` made: the same console, over what was heard then.

    The gap view shows what was heard while it was open then; a recording that `streamtop demo --record FILE` made has
    all of it.

    , and . step one poll back and forth, p pauses, :jump 12:40 goes to a time. Nothing is asked of any service.

    \b
    Examples:
      streamtop --record tonight.tape
      streamtop replay tonight.tape -t '3m ago'
    """
    from tui.app.launch import run_replay, why_no_console
    from tui.model.instants import instant
    from tui.model.text import safe
    from tui.recording.recording import RecordingError, read_recording

    try:
        times_in = zone(tz) if tz else zone("UTC")
        polls = read_recording(file)
    except UnknownZoneError as error:
        raise CommandError(str(error), USAGE) from None
    except RecordingError as error:
        raise CommandError(str(error), THIS_MACHINE) from None
    if not polls:
        raise CommandError(f"{file} holds no poll", THIS_MACHINE)
    from_ms = polls[0].at
    if begin is not None:
        found = instant(begin, polls[-1].at, times_in)
        if found is None:
            raise CommandError(f"-t {begin!r} is no time; give one such as 12:40 or '3m ago'", USAGE)
        from_ms = found
    if why_not := why_no_console():
        raise CommandError(why_not, USAGE)
    sys.exit(run_replay(polls, from_ms, name=f"recording {safe(file.name)}", tz=times_in))
