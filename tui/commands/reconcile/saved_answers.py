"""Saved answers of the service: what commands printed with `--format json`."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Provenance
from streamusage.core.exit_codes import ExitCode
from tui.commands.errors import CommandError
from tui.commands.tables import Gap
from tui.config.settings import ConnectionSettings
from tui.reconcile.service_figures import UNCOUNTED

Content = TypeVar("Content")


def decode_saved(path: Path, kind: type[Content], command: str) -> Content:
    """Return the content of a file. Raises `CommandError` if it is not what the command prints."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", ExitCode.USAGE) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} is not what `{command}` prints: {error}", ExitCode.USAGE) from None


def read_spans(gaps: Path | None) -> dict[str, Sequence[CoverageSpan]] | None:
    """Return the time of each server of which something is or may be left out; None without a file.

    The file has what `gaps --format json` printed. Raises `CommandError`.
    """
    if gaps is None:
        return None
    left_out = {*UNCOUNTED, Provenance.PARTIAL}
    spans: dict[str, list[CoverageSpan]] = {}
    for gap in decode_saved(gaps, list[Gap], "streamtop gaps --format json"):
        if gap.state in left_out:
            span = CoverageSpan(from_ms=gap.from_ms, to_ms=gap.to_ms, state=gap.state)
            spans.setdefault(gap.server, []).append(span)
    return dict(spans)


def refuse_other_zones(path: Path, zones: Collection[str], connection: ConnectionSettings) -> None:
    """Raise `CommandError` if a saved answer has days of a time zone that is not the chosen one."""
    others = sorted({*zones} - {connection.tz.key})
    if others:
        raise CommandError(
            f"{path} has days of {', '.join(others)}, not of {connection.tz.key}; give --tz", ExitCode.USAGE
        )
