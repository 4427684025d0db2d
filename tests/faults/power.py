"""A file system below SQLite that forgets: writes that were not synced are lost, torn or reordered when power fails."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import apsw

SECTOR = 512


class PowerFailure(Exception):
    """The machine is off. Every later call fails as well."""


@dataclass
class File:
    """What is surely on the disk, and the writes since the last sync, in order. Data `None` is a truncation."""

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
    """The files of one machine. `fails_at` is the number of the I/O call at which something happens."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.calls = 0
        self.power_fails_at: int | None = None
        self.error_at: int | None = None
        self.error: type[apsw.Error] = apsw.IOError
        self.capacity: int | None = None
        """How many bytes all files together may have; `None` for as many as there come."""
        self.off = False

    def call(self) -> None:
        """Counts an I/O call that changes something, and lets it fail where that was asked for."""
        if self.off:
            raise PowerFailure
        self.calls += 1
        if self.power_fails_at is not None and self.calls >= self.power_fails_at:
            self.off = True
            raise PowerFailure
        if self.calls == self.error_at:
            raise self.error(f"scripted at call {self.calls}")

    def size(self) -> int:
        return sum(len(file.content()) for file in self.files.values())

    def after_power_failure(self, random: Random) -> "Disk":
        """What is found after power is back: of the writes that were not synced any part, in any order."""
        found = Disk()
        for name, file in self.files.items():
            content = bytearray(file.durable)
            pending = [write for write in file.pending if random.random() < 0.6]
            random.shuffle(pending)
            for offset, data in pending:
                if data is not None and random.random() < 0.3:
                    # Torn: only some of its sectors arrived.
                    for start in range(0, len(data), SECTOR):
                        if random.random() < 0.5:
                            apply_write(content, offset + start, data[start : start + SECTOR])
                else:
                    apply_write(content, offset, data)
            found.files[name] = File(content)
        return found


class ForgetfulVfs(apsw.VFS):
    """The file system of a `Disk` for SQLite, registered under a name of its own."""

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
        self.disk.call()
        self.disk.files.pop(filename, None)

    def xFullPathname(self, name: str) -> str:
        return name


class ForgetfulFile:
    def __init__(self, disk: Disk, path: str) -> None:
        self.disk = disk
        self.path = path
        self.level = 0

    @property
    def file(self) -> File:
        return self.disk.files[self.path]

    def xRead(self, amount: int, offset: int) -> bytes:
        if self.disk.off:
            raise PowerFailure
        return bytes(self.file.content()[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.call()
        grows_by = max(0, offset + len(data) - self.xFileSize())
        if self.disk.capacity is not None and grows_by and self.disk.size() + grows_by > self.disk.capacity:
            raise apsw.FullError("the disk is full")
        self.file.pending.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        self.disk.call()
        self.file.pending.append((size, None))

    def xSync(self, flags: int) -> None:
        self.disk.call()
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
