"""Exports: records and tables as JSON or CSV, and the incident bundle.

No export contains a token. CSV cells that a spreadsheet would run as a formula are escaped.
"""

import io
import json
import os
import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streamusage.core.usage import RECORD_FIELDS
from tui.model.sessions.columns import COLUMNS, ExportField
from tui.model.sessions.store import Session
from tui.output import ListColumn
from tui.output.printer import csv_text, json_text

_KEY_FIELDS = (
    ExportField("name", lambda session: session.name),
    ExportField("scope", lambda session: session.scope),
    ExportField("endTime", lambda session: session.end_time, is_time=True),
    ExportField("lowerBound", lambda session: session.is_lower_bound),
)
"""Fields that no column shows by itself."""


def export_fields() -> list[ExportField]:
    """Return the fields of the session table: those of the usage record in wire order, then those of other columns."""
    declared = {field.name: field for field in (*_KEY_FIELDS, *_fields_of_columns())}
    return [declared[name] for name in RECORD_FIELDS] + [
        field for name, field in declared.items() if name not in RECORD_FIELDS
    ]


def _fields_of_columns() -> list[ExportField]:
    return [column.export for column in COLUMNS.values() if column.export]


def usage_record_fields(session: Session) -> dict[str, object]:
    """Return the session as a usage record; unknown figures are null."""
    return {field.name: field.value(session) for field in export_fields() if field.name in RECORD_FIELDS}


def table_csv(sessions: Iterable[Session], *, knows_live: bool = True, of_several: bool = False) -> Iterator[str]:
    """Yield the sessions as CSV, line by line. Without `knows_live` nobody knows which of them are on air.

    With `of_several`, the first field is the service of each.
    """
    return csv_text(
        sessions,
        [ListColumn[Session](name, value, is_time=is_time) for name, value, is_time in _fields(knows_live, of_several)],
    )


def table_json(sessions: Iterable[Session], *, knows_live: bool = True, of_several: bool = False) -> Iterator[str]:
    """Yield the sessions as JSON, a session a line, with the fields of the CSV: state and provenance beside the usage
    record.
    """
    return json_text(session_fields(sessions, knows_live=knows_live, of_several=of_several))


def _fields(knows_live: bool, of_several: bool = False) -> list[ExportField]:
    services = [ExportField("service", lambda session: session.service)] if of_several else []
    return services + [
        field if knows_live or field.name != "live" else field._replace(value=lambda session: None)
        for field in export_fields()
    ]


def session_fields(
    sessions: Iterable[Session], *, knows_live: bool = True, of_several: bool = False
) -> Iterator[dict[str, object]]:
    """Yield every session with the fields of the table, by name; unknown ones are null."""
    fields = _fields(knows_live, of_several)
    return ({field.name: field.value(session) for field in fields} for session in sessions)


class ExportError(Exception):
    """A file could not be written. The text names the file and the reason."""


def write(path: Path, content: str | bytes) -> Path:
    """Write a new file that only the user can read; an existing one is never overwritten. Raises `ExportError`."""
    for _ in write_in_steps(path, [content]):
        pass
    return path.expanduser().resolve()


def write_in_steps(path: Path, chunks: Iterable[str | bytes]) -> Generator[None, None, Path]:
    """Write a new file as `write` does, a chunk a step. Returns its path; a file that is not complete is removed."""
    try:
        path = path.expanduser()
        with (
            open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file,
            _removed_unless_written(path),
        ):
            for chunk in chunks:
                file.write(chunk.encode("utf-8", "backslashreplace") if isinstance(chunk, str) else chunk)
                yield
            file.flush()
    except FileExistsError:
        raise ExportError(f"{path} exists already; give another name") from None
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from None
    except RuntimeError:
        raise ExportError(f"{path} cannot be written: there is no such user") from None
    return path.resolve()


@contextmanager
def _removed_unless_written(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def bundle(parts: Mapping[str, object], at_ms: int, clean: Callable[[str], str]) -> bytes:
    """Return an archive of the parts by file name: text as it is, other values as JSON, each passed through `clean`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, part in parts.items():
            text = (
                part if isinstance(part, str) else json.dumps(msgspec.to_builtins(part), indent=1, ensure_ascii=False)
            )
            content = clean(text).encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"streamtop-incident/{name}")
            entry.size, entry.mtime, entry.mode = len(content), at_ms // 1000, 0o600
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
