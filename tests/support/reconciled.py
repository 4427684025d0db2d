"""Compares an account in memory with daily statistics, as `streamtop reconcile` does with files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

from streamusage.api.daily import DailyStatistics
from streamusage.api.extension import CoverageSpan
from streamusage.core.windows import Days
from tests.support.outside_accounts import FIRST_DAY, LAST_DAY, UTC_ZONE
from tui.commands.reconcile.files import FileNotes, FileSettings, read_account
from tui.reconcile.account import OutsideAccount
from tui.reconcile.causes import CauseSettings
from tui.reconcile.compared_rows import ComparedRow
from tui.reconcile.comparison import ComparisonSettings, compare
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.readers.detect import ReaderSettings
from tui.reconcile.service_figures import ServiceSide, figures_of_servers
from tui.reconcile.suspicions import Suspicion, suspect

MEASURED = CauseSettings()
ALL_DAYS = Days(FIRST_DAY, LAST_DAY)
ONE_PERCENT = Fraction(1, 100)


@dataclass
class Reconciled:
    rows: list[ComparedRow]
    suspicions: tuple[Suspicion, ...]
    notes: list[FileNotes] = field(default_factory=list)

    def explained(self, cause: str) -> int:
        """Return what a cause explains in all rows together."""
        return sum(found.amount for row in self.rows for found in row.causes if found.cause == cause)

    @property
    def unexplained(self) -> list[int | None]:
        return [row.unexplained for row in self.rows]

    @property
    def is_within(self) -> bool:
        return all(row.is_within for row in self.rows)


def reconciled(
    folder: Path,
    contents: Sequence[bytes],
    days: Sequence[DailyStatistics],
    *,
    spans: dict[str, Sequence[CoverageSpan]] | None = None,
    measure: Measure = Measure.BYTES_OUT,
    grouping: Grouping = Grouping.TOTAL,
    causes: CauseSettings = MEASURED,
    reader: ReaderSettings | None = None,
    tz: ZoneInfo = UTC_ZONE,
    period: Days = ALL_DAYS,
    tolerance: Fraction = ONE_PERCENT,
    **files: object,
) -> Reconciled:
    """Compare files with these contents; `files` are fields of `FileSettings`."""
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"account-{number}")
        paths[-1].write_bytes(content)
    account = OutsideAccount(measure, grouping, tz)
    settings = FileSettings(reader or ReaderSettings(measure), **files)  # type: ignore[arg-type]
    notes = read_account(paths, account, settings)
    service = ServiceSide(figures_of_servers(days, grouping), spans, "edge-1")
    rows = compare(account, service, ComparisonSettings(period, tz, tolerance, causes))
    return Reconciled(rows, suspect(account, rows, tz, causes.sampled), notes)
