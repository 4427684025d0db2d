"""The demo's recording that the program carries: `streamtop demo` plays it where service and agent are not installed.

`python -m tui.demo.packaged_recording` makes it anew: the same recording as `streamtop demo --record`, compressed.
"""

import gzip
import logging
from zoneinfo import ZoneInfo

from streamusage.core.exit_codes import ExitCode
from tui.commands.errors import CommandError
from tui.commands.installation.packaged_files import FOLDER

RECORDING = FOLDER / "demo" / "outage.tape.gz"
SEED = 1
NAME = "recorded; live: streamtop[all]"
"""Shown in the header of the console, also in 80 columns."""


def play(speed: float) -> int:
    """Play the recording in the console until it is quit. Return the exit code. Raises `CommandError`."""
    from tui.app.launch import run_replay, why_no_console
    from tui.config.settings import Flags, SettingsError, resolve_appearance
    from tui.recording.recording import read_recording

    if why_not := why_no_console():
        raise CommandError(why_not, ExitCode.USAGE)
    try:
        appearance = resolve_appearance(Flags())
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    polls = read_recording(RECORDING)
    return run_replay(polls, polls[0].at, name=NAME, tz=ZoneInfo("UTC"), appearance=appearance, speed=speed)


def main() -> None:
    """Make the recording and replace the packaged one."""
    import asyncio
    import tempfile
    from pathlib import Path

    from tui.demo.recording import make_recording

    logging.basicConfig(level=logging.CRITICAL)
    with tempfile.TemporaryDirectory() as directory:
        tape = Path(directory) / "outage.tape"
        asyncio.run(make_recording(tape, SEED))
        RECORDING.parent.mkdir(parents=True, exist_ok=True)
        RECORDING.write_bytes(gzip.compress(tape.read_bytes(), 9, mtime=0))


if __name__ == "__main__":
    main()
