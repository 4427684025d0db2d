"""Stopping the console's job for the shell (ctrl+z), until the shell continues it in the foreground."""

import contextlib
import os
import signal
import sys
import termios
import time

_LONGEST_STOPPING_SECONDS = 0.5
"""A stop that does not happen within this time does not happen: there is no shell to continue the job."""


def stop_job() -> bool:
    """Stop this process group, as ctrl+z does; return once it is continued in the foreground.

    Returns false if it was not stopped: the system ignores the signal where no shell could continue the job.
    """
    continued = False

    def note_continued(*_: object) -> None:
        nonlocal continued
        continued = True

    handlers = {
        signal.SIGCONT: signal.signal(signal.SIGCONT, note_continued),
        signal.SIGTSTP: signal.signal(signal.SIGTSTP, signal.SIG_DFL),
        signal.SIGTTOU: signal.signal(signal.SIGTTOU, signal.SIG_DFL),
    }
    try:
        began = time.monotonic()
        os.killpg(os.getpgrp(), signal.SIGTSTP)  # the group: a script that runs the console stops with it
        while not continued and time.monotonic() - began < _LONGEST_STOPPING_SECONDS:
            time.sleep(0.01)  # another thread may receive the signal, a moment later
        if continued and sys.__stdin__ is not None:
            with contextlib.suppress(termios.error):
                _wait_for_foreground(sys.__stdin__.fileno())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return continued


def _wait_for_foreground(terminal: int) -> None:
    """Change nothing at the terminal: the system stops a process that does so in the background (after `bg`)."""
    termios.tcsetattr(terminal, termios.TCSANOW, termios.tcgetattr(terminal))
