"""The files that the program carries beside its code, such as units of systemd: where they are and what each is for.

They are in the folder `tui/files` of a checkout and of an installation. A new file needs no entry here: its purpose is
read from its own first lines.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "files"


class PackagedFile(NamedTuple):
    """A file that the program carries."""

    kind: str
    path: Path
    purpose: str


class FileKind(NamedTuple):
    """A folder of files. `read_purpose` returns what a file is for, from its text; empty where it does not state it."""

    name: str
    purpose: str
    read_purpose: Callable[[str], str] = lambda text: ""


def _of_unit(text: str) -> str:
    found = re.search(r"^Description=(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _of_dashboard(text: str) -> str:
    try:
        dashboard = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(dashboard, dict):
        return ""
    return str(dashboard.get("description") or dashboard.get("title") or "")


def _of_rules(text: str) -> str:
    found = re.match(r"# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _of_manual_page(text: str) -> str:
    found = re.search(r'^\.SH "?NAME"?\n(.+)$', text, re.MULTILINE)
    return found[1].partition(r"\- ")[2].replace(r"\-", "-").strip() if found else ""


def _of_page(text: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


KINDS = {
    kind.name: kind
    for kind in (
        FileKind("systemd", "units of systemd", _of_unit),
        FileKind("grafana", "dashboards of Grafana", _of_dashboard),
        FileKind("prometheus", "rules of Prometheus", _of_rules),
        FileKind("man", "manual pages", _of_manual_page),
        FileKind("docs", "pages of the documentation", _of_page),
        FileKind("demo", "recording of the demo: an outage and its recovery, for streamtop replay"),
    )
}
"""The kinds of files, by the name of their folder. A folder that is missing here is listed without purposes."""


def kinds(folder: Path = FOLDER) -> list[str]:
    """Return the names of the kinds of which there are files, in the order of `KINDS`."""
    names = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    return [*(name for name in KINDS if name in names), *sorted(names - KINDS.keys())]


def list_files(kind: str, folder: Path = FOLDER) -> Iterator[PackagedFile]:
    """Yield the files of a kind, by path."""
    declared = KINDS.get(kind, FileKind(kind, ""))
    for path in sorted((folder / kind).rglob("*")):
        if path.is_file() and not _is_code(path):
            yield PackagedFile(kind, path, _read_purpose(declared, path))


def _is_code(path: Path) -> bool:
    return path.suffix in {".py", ".pyc"}


def _read_purpose(kind: FileKind, path: Path) -> str:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return kind.purpose
    return kind.read_purpose(text) or kind.purpose
