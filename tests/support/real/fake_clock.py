"""A wall clock of its own for a program, which a test sets while the program runs; elapsed time is the machine's."""

from pathlib import Path

from tests.support.needs import faketime_library, need


class FakeClock:
    """The wall clock of all programs that are started with `environment`."""

    def __init__(self, file: Path) -> None:
        """`file` has the offset, which programs read at each use of the clock. Without libfaketime, skip the test."""
        need("libfaketime")
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
