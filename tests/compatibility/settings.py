"""The settings that `streamtop config` reads from `config.toml`, the environment and flags."""

import json
import shutil
from pathlib import Path

from tests.compatibility.programs.processes import FIXTURES, TOKEN_ENVIRONMENT, run

_CASES: dict[str, tuple[list[str], dict[str, str]]] = {
    "default": ([], {}),
    "prod": (["--profile", "prod"], {"STREAMTOP_URL": "http://127.0.0.1:9"}),
    "other": (["--profile", "other"], {}),
    "environment": ([], {"STREAMTOP_URL": "http://127.0.0.1:9/base/", "STREAMTOP_TOKEN": "of-the-environment"}),
    "keys": (["--keys"], {}),
}


def read_settings(home: Path) -> dict[str, dict[str, str]]:
    """Return the value of every setting by its name, in several cases."""
    folder = home / ".config" / "streamtop"
    folder.mkdir(parents=True)
    shutil.copyfile(FIXTURES / "config.toml", folder / "config.toml")
    token = folder / "lab-token"
    token.write_text("of-the-lab\n")
    token.chmod(0o600)
    found = {}
    for case, (arguments, environment) in _CASES.items():
        ended = run("config", *arguments, "--format", "json", home=home, environment=TOKEN_ENVIRONMENT | environment)
        assert ended.code == 0, ended
        found[case] = {row["setting"]: row["value"] for row in json.loads(ended.out)}
    return found
