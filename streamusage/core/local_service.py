"""A usage service of this user on this machine: how a console finds its admin token by itself.

The service notes where it listens in a file beside its token, which only the user can write, and removes the note when
it ends. The token is used only where nobody else can have taken the address:

| the note is                                             | the token is used |
|---------------------------------------------------------|-------------------|
| of the same loopback address and port, its process runs  | yes               |
| of `0.0.0.0` or `::`, which includes that address        | yes               |
| of another address or port, or the host is `localhost`, which has two addresses | no |
| of a process that ended, or whose number another has     | no                |
| of another user                                          | no                |
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from streamusage.core.atomic_file import write_atomically

TOKEN_FILE = "admin-token"
_WILDCARDS = {4: "0.0.0.0", 6: "::"}  # compared with, not listened at


def data_directory() -> Path:
    """Return the folder of the service's own files."""
    from platformdirs import user_data_path

    return user_data_path("streamtop")


@contextmanager
def note_address(url: str, directory: Path) -> Iterator[None]:
    """Note while the block runs that this process listens at an address. A note that cannot be written is left out."""
    import json

    parts = urlsplit(url)
    note = _note_path(directory, parts.port or 0)
    content = {"host": parts.hostname, "pid": os.getpid(), "started": _start_of(os.getpid())}
    with suppress(OSError):
        write_atomically(note, json.dumps(content).encode(), sync=False)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if json.loads(note.read_bytes()).get("pid") == os.getpid():
                note.unlink()


def find_token_file(url: str, directory: Path) -> Path | None:
    """Return the file of the admin token of this user's own service at an address; `None` if there is none."""
    try:
        parts = urlsplit(url)
        address = ip_address(parts.hostname or "")
        note = _note_path(directory, parts.port or {"http": 80, "https": 443}[parts.scheme])
        if not address.is_loopback or note.stat().st_uid != os.getuid():
            return None
        import json  # a console starts sooner without it

        content = json.loads(note.read_bytes())
        pid, host = int(content["pid"]), ip_address(content["host"])
        os.kill(pid, 0)  # a process of another user is refused
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    is_there = host == address or str(host) == _WILDCARDS[address.version]
    return directory / TOKEN_FILE if is_there and content.get("started") == _start_of(pid) else None


def _note_path(directory: Path, port: int) -> Path:
    return directory / f"listening-{port}.json"


def _start_of(pid: int) -> str:
    """Return when a process started, as the kernel counts it, so that its number is not mistaken; else nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
