"""The version of the time zone database, which decides when a day begins and ends."""

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import ascii_lowercase
from zoneinfo import TZPATH

UNKNOWN_VERSION = "unknown"


@cache
def zone_data_version() -> str:
    """Return the version of the database that this program uses, such as `2025b`, or `unknown`.

    `zoneinfo` searches the system's folders first, which state it in the first line of `tzdata.zi`, then the package.
    """
    for folder in map(Path, TZPATH):
        if (folder / "UTC").exists():
            return _stated_version(folder / "tzdata.zi")
    try:
        year, number, *_ = version("tzdata").split(".")
        return f"{year}{ascii_lowercase[int(number) - 1]}"
    except (PackageNotFoundError, ValueError, IndexError):
        return UNKNOWN_VERSION


def _stated_version(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            stated = re.match(r"# version (\d{4}[a-z]+)", file.readline())
    except (OSError, UnicodeDecodeError):
        stated = None
    return stated[1] if stated else UNKNOWN_VERSION
