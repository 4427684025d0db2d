"""The check of the user's keys, before a console starts."""

from collections.abc import Mapping

from streamusage.core.exit_codes import ExitCode
from tui.app.actions import find_keymap_error
from tui.commands.errors import CommandError
from tui.config.paths import config_path


def check_keymap(keys: Mapping[str, str]) -> None:
    """Raise `CommandError` where a console cannot use these keys of `config.toml`."""
    if wrong := find_keymap_error(keys):
        raise CommandError(f"{config_path()}: keys: {wrong}", ExitCode.USAGE)
