"""The media servers that run on this machine, found by the titles of its processes. Linux only: elsewhere none is."""

import contextlib
import itertools
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NGINX_MASTER = "nginx: master process "
NGINX_CONFIGURATION = Path("/etc/nginx/nginx.conf")
ICECAST_CONFIGURATIONS = tuple(map(Path, ("/etc/icecast2/icecast.xml", "/etc/icecast.xml", "/etc/icecast-kh.xml")))
NGINX_SECONDS = 10.0
"""How long nginx may take to print its settings."""

_OTHERS = {
    "mediamtx": "mediamtx",
    "rtsp-simple-server": "mediamtx",
    "srs": "srs",
    "com.wowza.wms": "wowza",
    "WowzaStreamingEngine": "wowza",
    "com.red5pro": "red5pro",
    "org.red5.server": "red5pro",
    "node-media-server": "node-media-server",
}
"""Kinds of media servers by a word of their command line: the name of a program, or a part of any argument."""


class RunningServer(NamedTuple):
    """A media server that runs, and the file of its configuration if that is one which can be read."""

    kind: str
    pid: int
    title: str
    configuration: Path | None = None
    prefix: Path | None = None
    """The folder of relative paths, of nginx."""


class _Process(NamedTuple):
    pid: int
    arguments: tuple[str, ...]
    folder: Path
    program: Path


def find_running(processes: Path = Path("/proc")) -> list[RunningServer]:
    """Return the media servers that run, by process id."""
    found = [server for process in _list_processes(processes) if (server := _recognize(process)) is not None]
    return sorted(found, key=lambda server: server.pid)


def _list_processes(processes: Path) -> Iterator[_Process]:
    for folder in processes.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            text = (folder / "cmdline").read_bytes().decode("utf-8", "surrogateescape")
            arguments = tuple(text.rstrip("\0 ").split("\0"))
            yield _Process(int(folder.name), arguments, _link(folder / "cwd"), _link(folder / "exe"))


def _link(path: Path) -> Path:
    try:
        return path.readlink()
    except OSError:  # of another user
        return Path("/")


def _recognize(process: _Process) -> RunningServer | None:
    first = process.arguments[0]
    if first.startswith(NGINX_MASTER):
        return _describe_nginx(process, first.removeprefix(NGINX_MASTER).split())
    name = Path(first).name
    if name in {"icecast", "icecast2", "icecast-kh"}:
        return _describe_icecast(process)
    for word, kind in _OTHERS.items():
        if name == word or (("." in word or "-" in word) and any(word in part for part in process.arguments)):
            return RunningServer(kind, process.pid, " ".join(process.arguments))
    return None


def _describe_nginx(process: _Process, arguments: list[str]) -> RunningServer:
    """Return a running nginx. A title has the arguments without quotes: one with a space in it is not recognized."""
    options = dict(itertools.pairwise(arguments))
    compiled = _read_nginx_settings(process.program if process.program != Path("/") else _find_nginx())
    prefix = process.folder / options.get("-p", compiled.get("prefix", "/etc/nginx"))
    configuration = prefix / options.get("-c", compiled.get("conf-path", str(NGINX_CONFIGURATION)))
    return RunningServer("nginx-rtmp", process.pid, process.arguments[0], configuration, prefix)


def _read_nginx_settings(program: Path) -> dict[str, str]:
    """Return the settings with which nginx was compiled; none if it cannot be run.

    A process may call itself nginx: only a program that nobody but root and this user can replace is run.
    """
    try:
        found = program.stat()
        if found.st_uid not in {0, os.geteuid()} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return {}
        ended = subprocess.run(
            [program, "-V"], capture_output=True, text=True, timeout=NGINX_SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(re.findall(r"--([a-z-]+)=(\S+)", ended.stderr))


def find_nginx_prefix(configuration: Path) -> Path:
    """Return the folder of relative paths of a configuration whose nginx does not run."""
    prefix = _read_nginx_settings(_find_nginx()).get("prefix")
    return Path(prefix) if prefix and configuration == NGINX_CONFIGURATION else configuration.parent


def _find_nginx() -> Path:
    """Return the path of nginx, which is often in a folder of programs of root."""
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    return Path(shutil.which("nginx", path=search) or "/usr/sbin/nginx")


def _describe_icecast(process: _Process) -> RunningServer:
    options = dict(itertools.pairwise(process.arguments))
    named = options.get("-c")
    present = [path for path in ICECAST_CONFIGURATIONS if path.exists()]
    configuration = process.folder / named if named else next(iter(present), None)
    return RunningServer("icecast", process.pid, " ".join(process.arguments), configuration)
