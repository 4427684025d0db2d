"""Paths of the console's own files."""

from pathlib import Path

import platformdirs


def config_path() -> Path:
    """Return the path of the profiles."""
    return platformdirs.user_config_path("streamtop") / "config.toml"


def journal_path() -> Path:
    """Return the default path of the journal of deleted records."""
    return platformdirs.user_state_path("streamtop") / "deleted.ndjson"


def reconciled_folder() -> Path:
    """Return the folder of the results that `streamtop reconcile` keeps for the console."""
    return platformdirs.user_state_path("streamtop") / "reconciled"
