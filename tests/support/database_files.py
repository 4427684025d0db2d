"""What happens to the file of a database while a program has it open."""

import shutil
from pathlib import Path


def move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    path.with_name("copy.db").rename(path)


def remove_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()
