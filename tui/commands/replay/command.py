"""`streamtop replay`: plays a recording of the console, or writes it as a file that plays elsewhere."""

import sys
from pathlib import Path

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.days import UnknownZoneError, zone
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from streamusage.core.instants import AtNow
from tui.commands.errors import CommandError
from tui.commands.flags import appearance_flags, tz_option
from tui.commands.instants import instant
from tui.commands.replay.options import FileOptions, file_options
from tui.config.theme_names import ThemeName


@click.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-t",
    "--from",
    "begin",
    type=instant,
    metavar="WHEN",
    help="Start: 12:40, or '3m ago' from the end (docs/values.md)",
)
@file_options
@tz_option
@appearance_flags
def replay(
    file: Path,
    begin: AtNow | None,
    files: FileOptions,
    tz: str | None,
    theme: ThemeName | None,
    display_stage: bool | None,
) -> None:
    """Play a recording of `streamtop --record FILE`, or an incident bundle (B), in the same console.

    The gap view shows the coverage that was polled while it was open; a recording of `streamtop demo --record FILE` has
    all of it.

    , and . step one poll back and forth, p pauses, :jump 12:40 goes to a time. No service is contacted. Keys and theme
    are those of config.toml.

    With --html the recording becomes one page that plays in any browser, without streamtop and without a network: to
    attach an outage to a ticket. With --asciicast it becomes a file for asciinema and its players. Both show what the
    console shows at a fixed size, with the default keys: names of streams and servers, and never a token.

    \b
    Examples:
      streamtop --record tonight.tape
      streamtop replay tonight.tape -t '3m ago'
      streamtop replay tonight.tape --html outage.html -t 20:10 --to 20:25
      streamtop replay incident.tar.gz --html gap.html --keys 'g N enter'
    """
    from tui.app.launch import run_replay, why_no_console
    from tui.commands.keymap import check_keymap
    from tui.config.settings import Flags, SettingsError, resolve_appearance
    from tui.model.text import sanitize
    from tui.recording.errors import RecordingError
    from tui.recording.recording import read_recording

    files.check(file)
    try:
        polls = read_recording(file)
        times_in = zone(tz or next((poll.days.tz for poll in polls if poll.days is not None), "UTC"))
    except UnknownZoneError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except RecordingError as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    if not polls:
        raise CommandError(f"{file} contains no poll", ExitCode.FAILURE)
    from_ms = polls[0].at
    if begin is not None:
        from_ms = begin(polls[-1].at, times_in)
    if not files and (why_not := why_no_console()):
        raise CommandError(why_not, ExitCode.USAGE)
    try:
        appearance = resolve_appearance(Flags(theme=theme, display_stage=display_stage))
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    if files:
        from tui.commands.replay.files import write_files

        write_files(file, polls, files, from_ms, times_in, appearance.theme)
        return
    check_keymap(appearance.keys)
    sys.exit(run_replay(polls, from_ms, name=f"recording {sanitize(file.name)}", tz=times_in, appearance=appearance))
