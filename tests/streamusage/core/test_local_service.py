"""The token of an own service is found at its address only, and only while its process runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamusage.core.local_service import TOKEN_FILE, find_token_file, note_address


@pytest.mark.parametrize(
    ("listens", "url", "found"),
    [
        ("http://127.0.0.1:5080", "http://127.0.0.1:5080", True),
        ("http://127.0.0.1:5080", "http://127.0.0.1:5081", False),
        ("http://127.0.0.1:5080", "http://127.0.0.2:5080", False),
        ("http://127.0.0.1:5080", "http://localhost:5080", False),
        ("http://127.0.0.1:5080", "http://[::1]:5080", False),
        ("http://127.0.0.1:5080", "http://sm.example.net:5080", False),
        ("http://0.0.0.0:5080", "http://127.0.0.1:5080", True),
        ("http://0.0.0.0:5080", "http://10.0.0.1:5080", False),
        ("http://[::1]:5080", "http://[::1]:5080", True),
        ("http://[::]:5080", "http://[::1]:5080", True),
        ("http://[::]:5080", "http://127.0.0.1:5080", False),
        ("https://127.0.0.1:443", "https://127.0.0.1", True),
        ("http://127.0.0.1:5080", "http://127.0.0.1:x", False),
        ("http://127.0.0.1:5080", "", False),
    ],
)
def test_token_is_found_at_the_address_of_the_service(listens: str, url: str, found: bool, tmp_path: Path) -> None:
    with note_address(listens, tmp_path):
        assert find_token_file(url, tmp_path) == (tmp_path / TOKEN_FILE if found else None)
    assert find_token_file(url, tmp_path) is None, "the note is removed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changed", [{"pid": 0}, {"started": "1"}, {"pid": "x"}, {"host": "sm"}, {"host": None}])
def test_note_of_another_process_is_not_used(changed: dict[str, object], tmp_path: Path) -> None:
    with note_address("http://127.0.0.1:5080", tmp_path):
        (note,) = tmp_path.iterdir()
        content = json.loads(note.read_bytes()) | changed
        if content["pid"] == 0:
            ended = subprocess.Popen([sys.executable, "-c", ""])
            ended.wait()
            content["pid"] = ended.pid
        note.write_text(json.dumps(content))
        assert find_token_file("http://127.0.0.1:5080", tmp_path) is None
        content["pid"] = os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '"x"', "\xff"])
def test_broken_note_is_not_used(content: str, tmp_path: Path) -> None:
    (tmp_path / "listening-5080.json").write_text(content, encoding="latin-1")
    assert find_token_file("http://127.0.0.1:5080", tmp_path) is None


def test_folder_that_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    with note_address("http://127.0.0.1:5080", tmp_path / "none"):
        assert find_token_file("http://127.0.0.1:5080", tmp_path / "none") is None
