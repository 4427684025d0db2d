"""A file that is replaced atomically has its old or its new content, whatever fails."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.atomic_file import write_atomically


@settings(max_examples=100, print_blob=True)
@given(contents=st.lists(st.binary(max_size=10_000), min_size=1, max_size=3), sync=st.booleans())
def test_written_content_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], sync: bool
) -> None:
    path = tmp_path_factory.mktemp("files") / "figures"
    for content in contents:
        write_atomically(path, content, sync=sync)
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["figures"]


def test_file_has_the_mode_and_replaces_a_link(tmp_path: Path) -> None:
    path, target = tmp_path / "a", tmp_path / "target"
    target.write_text("old")
    path.symlink_to(target)
    write_atomically(path, b"new", mode=0o640)
    assert (path.is_symlink(), path.read_text(), target.read_text()) == (False, "new", "old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    write_atomically(path, b"newer")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def refuse_with(error: int) -> Callable[..., Any]:
    def refuse(*_arguments: Any, **_options: Any) -> Any:
        raise OSError(error, os.strerror(error))

    return refuse


@pytest.mark.parametrize("call", ["open", "fdopen", "fsync", "chmod", "replace"])
def test_failure_leaves_the_old_content_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "figures"
    write_atomically(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse_with(errno.ENOSPC))
        with pytest.raises(OSError, match="No space left"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["figures"]


def test_reader_sees_whole_contents_only(tmp_path: Path) -> None:
    path = tmp_path / "figures"
    contents = {bytes([number]) * 50_000 for number in range(200)}
    write_atomically(path, min(contents))
    ended = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not ended.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents:
        write_atomically(path, content, sync=False)
    ended.set()
    reader.join()
    assert seen
    assert seen <= contents
