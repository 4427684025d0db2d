"""Results of comparisons as they are kept for the console."""

from typing import Any

from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.kept import KeptCause, KeptComparison, KeptFile, KeptRow, Result

COMPARED_AT = 1_795_305_600_000
"""2026-11-22T00:00Z."""
SHA256 = "0123456789abcdef" * 4
HEADS = KeptCause(cause="HEAD requests", amount=50, low=0, high=60, note="49 lines")


def kept_row(day: str, account: int | None, service: int | None, result: Result, **more: Any) -> KeptRow:
    values: dict[str, Any] = {"group": "", "causes": [], "is_final": True}
    return KeptRow(day=day, account=account, service=service, result=result, **values | more)


def kept_comparison(*rows: KeptRow, **more: Any) -> KeptComparison:
    values: dict[str, Any] = {
        "compared_at": COMPARED_AT, "program": "0.1.0", "tz": "UTC", "figure": Measure.BYTES_OUT, "by": Grouping.TOTAL,
        "servers": [], "tolerance_ppm": 10_000,
        "files": [KeptFile(name="/var/log/access.log", form="combined", lines=300, sha256=SHA256)],
    }  # fmt: skip
    return KeptComparison(rows=list(rows), **values | more)
