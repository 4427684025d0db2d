"""How an alert leaves the console: the terminal's bell, its notification (OSC 777 or 9), a command of the operator's.

A name from outside reaches a terminal only made safe, and a command only through its environment: never a shell.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

from tui.config.settings import Alerts
from tui.model.alerts import Alert
from tui.model.text import safe

COMMAND_SECONDS = 30.0
_SECRETS = ("STREAMTOP_TOKEN",)


def escapes(alert: Alert, how: Alerts) -> str:
    """What is written to the terminal: bell and notification, as the profile wants them."""
    text = "".join(character for character in safe(alert.in_words()) if character.isprintable()).replace(";", ",")
    written = "\a" if how.bell and alert.kind == "raised" else ""
    if how.notify == "osc777":
        written += f"\x1b]777;notify;streamtop;{text}\a"
    elif how.notify == "osc9":
        written += f"\x1b]9;streamtop: {text}\a"
    return written


async def run_command(
    alert: Alert,
    command: Sequence[str],
    say: Callable[[str], object],
    without_token: Callable[[str], str] = lambda text: text,
) -> None:
    """Runs the operator's command for an alert. `say` hears of a failure; the console goes on.

    A variable that holds the token, by `without_token` or by its name, is not handed on.
    """
    handed_on = {
        name: value for name, value in os.environ.items() if name not in _SECRETS and without_token(value) == value
    }
    environment = handed_on | {
        "STREAMTOP_ALERT": alert.kind,
        "STREAMTOP_ALERT_SERVER": alert.server,
        "STREAMTOP_ALERT_OWED_MS": str(alert.owed_ms),
        "STREAMTOP_ALERT_TEXT": alert.in_words(),
    }
    nowhere = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=environment
        )
    except (OSError, ValueError) as error:
        say(f"the alert command {command[0]} cannot be run: {getattr(error, 'strerror', None) or error}")
        return
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            code = await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        say(f"the alert command {command[0]} was ended after {COMMAND_SECONDS:.0f} s")
        return
    if code:
        say(f"the alert command {command[0]} ended with {code}")
