"""The serve command as a process, with an admin token and a token for the agent of edge-1."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamusage.service.store.engines.sqlite import sqlite_url
from tests.support.waiting import LONGEST_WAIT_S

ADMIN = "admin-s3cret"


AGENT = "agent-s3cret"


@contextmanager
def serving(
    home: Path, *options: str, port: int = 0, files: int = 0
) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """Run the command as a process that may open `files` files. Yield the process, its URL, and the growing list of its
    stderr lines."""
    tokens = home / "tokens.toml"
    tokens.write_text(
        f'[[token]]\nvalue = "{ADMIN}"\nrole = "admin"\n'
        f'[[token]]\nvalue = "{AGENT}"\nrole = "agent"\nserver = "edge-1"\n'
    )
    command = [sys.executable, "-m", "streamusage.service", "--listen", f"127.0.0.1:{port}"]
    command += ["--store", sqlite_url(home / "usage.db"), "--tokens", str(tokens), *options]
    if files:
        command = ["sh", "-c", 'ulimit -n "$0"; exec "$@"', str(files), *command]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if "the usage service listens at" in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert ready.wait(LONGEST_WAIT_S)
        found = re.search(r"the usage service listens at (https?://[\d.]+:\d+)", "".join(lines))
        assert found, lines
        yield process, found[1], lines
    finally:
        process.kill()
        process.wait(LONGEST_WAIT_S)
        reader.join(LONGEST_WAIT_S)
