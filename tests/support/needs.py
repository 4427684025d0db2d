"""Programs that some tests need beside Python. Without them these tests are skipped, and the test run ends with a list.

If `STREAMTOP_TESTS_SKIP_NOTHING` is set, as in CI, they fail instead: CI installs every program.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGES = {
    "nginx": "nginx-light",
    "nginx's rtmp module": "libnginx-mod-rtmp",
    "ffmpeg": "ffmpeg",
    "rtmpdump": "rtmpdump",
    "libfaketime": "libfaketime",
    "icecast2": "icecast2",
    "curl": "curl",
    "node": "nodejs",
    "npm": "npm",
    "tmux": "tmux",
    "bash": "bash",
    "zsh": "zsh",
    "fish": "fish",
    "mandoc": "mandoc",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "openssl": "openssl",
    "postgres": "postgresql",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "systemd-analyze": "systemd",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "systemd-nspawn": "systemd-container",
}
"""Debian package of each program."""

BY_MARKER = {
    "real": ("nginx", "nginx's rtmp module", "ffmpeg", "rtmpdump"),
    "real_clocks": ("nginx", "nginx's rtmp module", "ffmpeg", "rtmpdump", "libfaketime"),
    "real_icecast": ("icecast2", "ffmpeg", "curl"),
    "real_node": ("node", "npm", "ffmpeg", "rtmpdump", "curl"),
    "terminal": ("tmux",),
    "ssh": ("tmux", "sshd", "ssh"),
    "postgresql": ("postgres",),
    "browser": ("chromium", "chromedriver"),
    "systemd": ("systemd-analyze", "systemd-nspawn"),
    "prometheus": ("prometheus", "promtool"),
}

NOT_RUN = "not run, missing programs: "

_RTMP_MODULE = "ngx_rtmp_module.so"
_MODULE_FOLDERS = ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules")


def missing(*programs: str) -> list[str]:
    """Return those of the programs that are not installed on this machine."""
    return [program for program in programs if not _is_installed(program)]


def need(*programs: str) -> None:
    """Skip the test if one of these programs is missing; in CI, fail it."""
    lacking = missing(*programs)
    if not lacking:
        return
    skip_or_fail(f"{NOT_RUN}{', '.join(lacking)}; {install_line(lacking)}")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, which cannot run on this machine; in CI, fail it."""
    if os.environ.get("STREAMTOP_TESTS_SKIP_NOTHING"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def install_line(programs: list[str]) -> str:
    """Return the command that installs the programs on Debian and Ubuntu."""
    return "apt-get install --no-install-recommends " + " ".join(PACKAGES[program] for program in programs)


def _is_installed(program: str) -> bool:
    if PACKAGES[program] == "libnginx-mod-rtmp":
        return any((Path(folder) / _RTMP_MODULE).exists() for folder in _MODULE_FOLDERS)
    if program == "postgres":
        return bool(postgresql_programs())
    if program == "libfaketime":
        return faketime_library() is not None
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    return shutil.which(program, path=path) is not None


def faketime_library() -> Path | None:
    """Return the library that gives a program a wall clock of its own; None if it is not installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def postgresql_programs() -> Path | None:
    """Return the directory of PostgreSQL's server programs, which Debian keeps off the path; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None
