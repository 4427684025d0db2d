"""The commands of the program, their options and their choices, as their own help lists them."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.compatibility.programs.processes import Ended, run

Options = dict[str, str]
"""What each option takes: a choice or a placeholder as the help shows it, "" for a flag."""

UNLISTED = (("daily", "adjustments"), ("daily", "close"), ("daily", "export"), ("daily", "verify"))
"""Commands that their group names in its text only."""

_OPTION = re.compile(r"  (?:(-\w), )?(--[a-z][\w-]*)(?: (\S+))?")
_COMMAND = re.compile(r"  ([a-z][\w-]*)(?:  .*)?")


def read_commands(home: Path) -> dict[str, Options]:
    """Return the options of every command by its name, with the names of its groups before it; "" is the program."""
    found: dict[str, Options] = {}
    waiting: list[tuple[str, ...]] = [(), *UNLISTED]
    while waiting:
        with ThreadPoolExecutor(2) as pool:
            helps = list(pool.map(lambda command: show_help(home, command), waiting))
        following = []
        for command, shown in zip(waiting, helps, strict=True):
            assert shown.code == 0, (command, shown.err)
            found[" ".join(command)] = options_of(shown.out)
            following += [(*command, name) for name in _section(shown.out, "Commands:", _COMMAND)]
        waiting = following
    return found


def show_help(home: Path, command: Sequence[str], options: Options | None = None) -> Ended:
    """Run a command with the given options, a value for each that takes one, and `--help`.

    The program then judges the options' names and not their values.
    """
    given = {name: takes for name, takes in (options or {}).items() if name not in ("-h", "--help", "--version")}
    arguments = [part for name, takes in given.items() for part in ([name, "x"] if takes else [name])]
    return run(*command, *arguments, "--help", home=home)


def options_of(text: str) -> Options:
    return {
        name: match[3] or ""
        for match in _section_matches(text, "Options:", _OPTION)
        for name in (match[1], match[2])
        if name
    }


def _section(text: str, heading: str, pattern: re.Pattern[str]) -> list[str]:
    return [match[1] for match in _section_matches(text, heading, pattern)]


def _section_matches(text: str, heading: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    _, _, section = text.partition(f"\n{heading}\n")
    lines = section.partition("\n\n")[0].splitlines()
    return [match for line in lines if (match := pattern.match(line)) and not line.startswith("   ")]
