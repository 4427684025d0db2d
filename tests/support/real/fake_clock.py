"""A wall clock of its own for a program, which a test sets while the program runs; elapsed time is the machine's."""

import re
from pathlib import Path

from tests.support.needs import faketime_library, need

_SHARED_MEMORY = Path("/dev/shm")
_PROGRAM_ID = re.compile(r"(?:sem\.faketime_sem|faketime_shm)_(\d+)")


def remove_left_behind() -> None:
    """Remove what libfaketime leaves in shared memory of programs that were killed or replaced by `exec`.

    It names its semaphore after the id of its program, and ends a program that finds one of its own id there.
    """
    for file in _SHARED_MEMORY.iterdir():
        name = _PROGRAM_ID.fullmatch(file.name)
        if name and not Path("/proc", name[1]).exists():
            file.unlink(missing_ok=True)


class FakeClock:
    """The wall clock of all programs that are started with `environment`."""

    def __init__(self, file: Path) -> None:
        """`file` has the offset, which programs read at each use of the clock. Without libfaketime, skip the test."""
        need("libfaketime")
        remove_left_behind()
        self._file = file
        self.set_ahead(0)

    def set_ahead(self, seconds: int) -> None:
        """Set the clock to the machine's plus an offset, which may be negative."""
        replacement = self._file.with_suffix(".new")
        replacement.write_text(f"{seconds:+d}")
        replacement.chmod(0o644)  # Icecast reads it as another user
        replacement.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(faketime_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


class SuspendedClock(FakeClock):
    """A clock that a test sets forward as a machine that was suspended: elapsed time goes on with it."""

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment.items() if name != "FAKETIME_DONT_FAKE_MONOTONIC"}
