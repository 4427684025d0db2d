"""What some tests need beside Python. Where it is missing they do not run, and the end of the test run says so.

With `STREAMTOP_TESTS_SKIP_NOTHING` set, as in CI, they fail instead: there everything is installed.
"""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "nginx": "nginx-light",
    "nginx's rtmp module": "libnginx-mod-rtmp",
    "ffmpeg": "ffmpeg",
    "rtmpdump": "rtmpdump",
    "icecast2": "icecast2",
    "curl": "curl",
    "node": "nodejs",
    "npm": "npm",
    "tmux": "tmux",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "postgres": "postgresql",
}
"""The Debian package that brings it."""

BY_MARKER = {
    "real": ("nginx", "nginx's rtmp module", "ffmpeg", "rtmpdump"),
    "real_icecast": ("icecast2", "ffmpeg", "curl"),
    "real_node": ("node", "npm", "ffmpeg", "rtmpdump", "curl"),
    "terminal": ("tmux",),
    "ssh": ("tmux", "sshd", "ssh"),
    "postgresql": ("postgres",),
}

NOT_RUN = "not run here, for lack of "

_RTMP_MODULE = "ngx_rtmp_module.so"
_MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules")


def missing(*programs: str) -> list[str]:
    """Those of the programs that this machine lacks."""
    return [program for program in programs if not _is_here(program)]


def need(*programs: str) -> None:
    """Ends the test that needs programs which are missing here."""
    lacking = missing(*programs)
    if not lacking:
        return
    reason = f"{NOT_RUN}{', '.join(lacking)}; {install_line(lacking)}"
    if os.environ.get("STREAMTOP_TESTS_SKIP_NOTHING"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def install_line(programs: list[str]) -> str:
    """How to get them on Debian and Ubuntu."""
    return "apt-get install --no-install-recommends " + " ".join(PACKAGES[program] for program in programs)


def _is_here(program: str) -> bool:
    if PACKAGES[program] == "libnginx-mod-rtmp":
        return any((Path(folder) / _RTMP_MODULE).exists() for folder in _MODULE_FOLDERS)
    if program == "postgres":
        return bool(postgresql_programs())
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return shutil.which(program, path=path) is not None


def postgresql_programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps the server's off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None
