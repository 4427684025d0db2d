"""The remembered view of a profile."""

from pathlib import Path

import pytest

from tui.config.view_memory import ViewMemory, recall, remember


def test_failed_save_of_the_view_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prod.json"
    remember(path, ViewMemory(filter="cam"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    remember(path, ViewMemory(filter="other"))
    assert recall(path).filter == "cam"
    assert [path.name for path in tmp_path.iterdir()] == ["prod.json"]
