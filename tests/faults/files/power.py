"""A file system below SQLite: writes that were not synced are lost, torn or reordered when power fails."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import apsw

SECTOR = 512


class PowerFailureError(Exception):
    """The power has failed. Every later call fails as well."""


@dataclass
class File:
    """Durable content of a file, and the writes since the last sync in order. Data of `None` is a truncation."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def content(self) -> bytearray:
        content = bytearray(self.durable)
        for offset, data in self.pending:
            apply_write(content, offset, data)
        return content


def apply_write(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        content.extend(bytes(max(0, offset - len(content))))
        return
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data


class Disk:
    """The files of one machine. `power_fails_at` and `error_at` are numbers of I/O calls."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.calls = 0
        self.power_fails_at: int | None = None
        self.error_at: int | None = None
        self.error: type[apsw.Error] = apsw.IOError
        self.capacity: int | None = None
        """Most bytes of all files together; `None` for no limit."""
        self.off = False

    def count_call(self) -> None:
        """Count an I/O call that changes something, and make it fail where that is configured."""
        if self.off:
            raise PowerFailureError
        self.calls += 1
        if self.power_fails_at is not None and self.calls >= self.power_fails_at:
            self.off = True
            raise PowerFailureError
        if self.calls == self.error_at:
            raise self.error(f"scripted at call {self.calls}")

    def size(self) -> int:
        return sum(len(file.content()) for file in self.files.values())

    def after_power_failure(self, random: Random) -> "Disk":
        """Return the disk after power is back: any part of the unsynced writes, in any order."""
        disk = Disk()
        for name, file in self.files.items():
            content = bytearray(file.durable)
            pending = [write for write in file.pending if random.random() < 0.6]
            random.shuffle(pending)
            for offset, data in pending:
                if data is not None and random.random() < 0.3:
                    # A torn write: only some of its sectors are on the disk.
                    for start in range(0, len(data), SECTOR):
                        if random.random() < 0.5:
                            apply_write(content, offset + start, data[start : start + SECTOR])
                else:
                    apply_write(content, offset, data)
            disk.files[name] = File(content)
        return disk


class ForgetfulVfs(apsw.VFS):
    """The file system of a `Disk` for SQLite, registered under its own name."""

    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, base="unix")
        self.disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        path = name.filename() if isinstance(name, apsw.URIFilename) else (name or "temporary")
        flags[1] = flags[0]
        self.disk.files.setdefault(path, File())
        return ForgetfulFile(self.disk, path)

    def xAccess(self, pathname: str, flags: int) -> bool:
        return pathname in self.disk.files

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.disk.count_call()
        self.disk.files.pop(filename, None)

    def xFullPathname(self, name: str) -> str:
        return name


class ForgetfulFile:
    """An open file of a `ForgetfulVfs`."""

    def __init__(self, disk: Disk, path: str) -> None:
        self.disk = disk
        self.path = path
        self.level = 0

    @property
    def file(self) -> File:
        return self.disk.files[self.path]

    def xRead(self, amount: int, offset: int) -> bytes:
        if self.disk.off:
            raise PowerFailureError
        return bytes(self.file.content()[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.count_call()
        grows_by = max(0, offset + len(data) - self.xFileSize())
        if self.disk.capacity is not None and grows_by and self.disk.size() + grows_by > self.disk.capacity:
            raise apsw.FullError("the disk is full")
        self.file.pending.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        self.disk.count_call()
        self.file.pending.append((size, None))

    def xSync(self, flags: int) -> None:
        self.disk.count_call()
        self.file.durable = self.file.content()
        self.file.pending.clear()

    def xFileSize(self) -> int:
        return len(self.file.content())

    def xLock(self, level: int) -> None:
        self.level = level

    def xUnlock(self, level: int) -> None:
        self.level = level

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xClose(self) -> None:
        pass
