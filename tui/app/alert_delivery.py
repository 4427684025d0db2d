"""How an alert leaves the console: the terminal's bell, its notification (OSC 777 or 9), or the operator's command.

A name from outside reaches a terminal only after `sanitize`, and a command only through its environment, never a shell.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

from tui.config.profiles import Alerts
from tui.model.alerts import Alert
from tui.model.text import sanitize

COMMAND_TIMEOUT_SECONDS = 30.0
_SECRETS = ("STREAMTOP_TOKEN",)


def escape_sequences(alert: Alert, settings: Alerts) -> str:
    """Return what is written to the terminal: bell and notification, as the profile sets them."""
    text = "".join(character for character in sanitize(alert.describe()) if character.isprintable()).replace(";", ",")
    sequences = "\a" if settings.bell and alert.kind == "raised" else ""
    if settings.notify == "osc777":
        sequences += f"\x1b]777;notify;streamtop;{text}\a"
    elif settings.notify == "osc9":
        sequences += f"\x1b]9;streamtop: {text}\a"
    return sequences


async def run_command(
    alert: Alert,
    command: Sequence[str],
    report_failure: Callable[[str], object],
    without_token: Callable[[str], str] = lambda text: text,
) -> None:
    """Run the operator's command for an alert. `report_failure` receives the reason if it fails.

    A variable that holds the token, by `without_token` or by its name, is removed from the command's environment.
    """
    inherited = {
        name: value for name, value in os.environ.items() if name not in _SECRETS and without_token(value) == value
    }
    environment = inherited | {
        "STREAMTOP_ALERT": alert.kind,
        "STREAMTOP_ALERT_SERVER": alert.server,
        "STREAMTOP_ALERT_OWED_MS": str(alert.owed_ms),
        "STREAMTOP_ALERT_TEXT": alert.describe(),
    }
    devnull = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=devnull, stdout=devnull, stderr=devnull, env=environment
        )
    except (OSError, ValueError) as error:
        report_failure(f"the alert command {command[0]} cannot be run: {getattr(error, 'strerror', None) or error}")
        return
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
            code = await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        report_failure(f"the alert command {command[0]} was killed after {COMMAND_TIMEOUT_SECONDS:.0f}s")
        return
    if code:
        report_failure(f"the alert command {command[0]} exited with {code}")
