"""Every command, option and choice of before is there; so is every setting."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.compatibility.commands import options_of, show_help
from tests.compatibility.programs.processes import FIXTURES, TOKEN_ENVIRONMENT, run
from tests.compatibility.settings import read_settings

COMMANDS = json.loads((FIXTURES / "commands.json").read_text())


def test_commands_take_every_option_of_before(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        helps = list(pool.map(lambda name: show_help(tmp_path, name.split(), COMMANDS[name]), COMMANDS))

    missing = []
    for (name, options), shown in zip(COMMANDS.items(), helps, strict=True):
        if shown.code:
            missing.append(f"{name}: {shown.err}")
            continue
        today = options_of(shown.out)
        missing += [f"{name} {option} {takes}" for option, takes in options.items() if not _takes(today, option, takes)]
    assert missing == []


def test_settings_are_those_that_were_read_before(tmp_path: Path) -> None:
    before = json.loads((FIXTURES / "settings.json").read_text())
    today = read_settings(tmp_path)

    differing = {
        f"{case}: {name}": (value, today[case].get(name))
        for case, settings in before.items()
        for name, value in settings.items()
        if today[case].get(name) != value
    }
    assert differing == {"keys: next_gap": ("n", "")}, "the user's `n` for `move(1)` now takes the default of another"


@pytest.mark.parametrize(
    ("module", "option", "says"),
    [
        ("tui", "--version", "streamtop"),
        ("streamusage.service", "--help", "--account-zone"),
        ("streamusage.agent", "--help", "--config"),
        ("tui.demo.screenshots", "--help", "--help"),
    ],
)
def test_module_runs_as_a_program(module: str, option: str, says: str, tmp_path: Path) -> None:
    ended = run(option, module=module, home=tmp_path)

    assert (ended.code, says in ended.out) == (0, True), ended


def test_tokens_file_of_another_form_is_refused(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    shutil.copyfile(FIXTURES / "tokens.toml", tokens)
    with tokens.open("a") as file:
        file.write('\n[[token]]\nrole = "agent"\nvalue = "of no server"\n')

    ended = run("serve", "--listen", "127.0.0.1:0", "--tokens", str(tokens), home=tmp_path,
                environment=TOKEN_ENVIRONMENT)  # fmt: skip

    assert ended.code == 2


def _takes(options: dict[str, str], option: str, takes: str) -> bool:
    """Whether the option is there, takes a value where it did, and every choice that it had."""
    if option not in options or bool(options[option]) != bool(takes):
        return False
    choices = set(takes.strip("[]").split("|")) if takes.startswith("[") else set()
    return choices <= set(options[option].strip("[]").split("|"))
