"""Results of comparisons that are kept for the console: their stored form, and how they are joined. Pure.

A document has the results of one service. Of each day, time zone, figure, grouping and selection of servers it has the
newest result.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tui.reconcile.compared_rows import ComparedRow
from tui.reconcile.entries import Grouping, Measure

KIND = "streamtop-reconciled"
VERSION = 1
MOST_DAYS = 400
MOST_ROWS = 20_000
MOST_FILES = 1_000
"""Files that are named for one comparison."""
LONGEST_TEXT = 300
MILLION = 1_000_000

Result = Literal["agrees", "explained", "unexplained"]
"""`agrees`: the difference is within the tolerance. `explained`: what the causes leave of it is."""

Amount = Annotated[int, Meta(ge=-(2**63) + 1, le=2**63 - 1)]
"""A whole number that can be added and formatted."""
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]


class KeptCause(msgspec.Struct, frozen=True, kw_only=True):
    """What a cause explains of a difference, in the unit of the figure."""

    cause: str
    amount: Amount
    low: Amount
    high: Amount
    note: str


class KeptRow(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a group. A figure is None if that side has none of it."""

    day: Day
    group: str
    """Name of a server, stream, scope or customer; empty for the total."""
    account: Amount | None
    service: Amount | None
    result: Result
    causes: list[KeptCause]
    is_final: bool
    """Whether the service's day was final."""

    @property
    def difference(self) -> int | None:
        """The account's figure minus the service's."""
        return None if self.account is None or self.service is None else self.account - self.service

    @property
    def explained(self) -> int:
        """The sum of what the causes explain."""
        return sum(found.amount for found in self.causes)

    @property
    def unexplained(self) -> int | None:
        """What no cause explains; None without both figures."""
        return None if self.difference is None else self.difference - self.explained


class KeptFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the outside account."""

    name: str
    form: str
    lines: Amount
    sha256: str
    """Of its uncompressed content, hexadecimal."""


class KeptComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the comparison, with those of its rows that are the newest."""

    compared_at: Amount
    """UTC milliseconds of the machine that compared."""
    program: str
    """Version of the program."""
    tz: str
    figure: Measure
    by: Grouping
    servers: list[str]
    """The selected servers in alphabetical order; empty for all."""
    tolerance_ppm: Amount
    """Millionths of the larger figure of a row that may be unexplained."""
    files: list[KeptFile]
    more_files: Amount = 0
    """Files beyond those that are named."""
    suspected: list[str] = []
    """Causes that only the differences suggest, with the option that confirms them."""
    rows: list[KeptRow]

    @property
    def selection(self) -> tuple[object, ...]:
        """What the rows are of, beside their day."""
        return self.tz, self.figure, self.by, tuple(self.servers)


class KeptDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one service."""

    kind: str = KIND
    version: int = VERSION
    service: str = ""
    """The name of the service in its chain; empty if it is not known."""
    addresses: list[str]
    """Addresses at which the service was used."""
    comparisons: list[KeptComparison] = []
    """The oldest first."""


class _Head(msgspec.Struct):
    kind: str = ""
    version: int = 0


class KeptResultsError(Exception):
    """The content of a file is not a document of this version."""


def decode_document(content: bytes) -> KeptDocument:
    """Return a stored document. Raises `KeptResultsError`, whose text continues the name of the file."""
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.kind != KIND:
            raise KeptResultsError("is not a file of kept comparisons")
        if head.version != VERSION:
            raise KeptResultsError(f"has version {head.version}, and this program reads version {VERSION}")
        return msgspec.json.decode(content, type=KeptDocument)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeptResultsError(f"is damaged: {error}") from None


def encode_document(document: KeptDocument) -> bytes:
    """Return the stored form of a document. Raises `KeptResultsError` if it could not be read again."""
    content = msgspec.json.encode(document) + b"\n"
    decode_document(content)
    return content


def judge_row(row: ComparedRow, tolerance: Fraction) -> Result:
    """Return the result of a row."""
    if not row.is_within:
        return "unexplained"
    if row.difference is None:
        return "explained" if row.causes else "agrees"
    larger = max(abs(row.account or 0), abs(row.service or 0))
    return "agrees" if abs(row.difference or 0) <= tolerance * larger else "explained"


def keep_row(row: ComparedRow, tolerance: Fraction) -> KeptRow:
    """Return the stored form of a row."""
    causes = [
        KeptCause(cause=found.cause, amount=found.amount, low=found.low, high=found.high, note=storable(found.note))
        for found in row.causes
    ]
    return KeptRow(
        day=row.day,
        group=storable(row.group),
        account=row.account,
        service=row.service,
        result=judge_row(row, tolerance),
        causes=causes,
        is_final=row.is_final,
    )


def keep_files(files: Sequence[tuple[str, str, int, str]]) -> tuple[list[KeptFile], int]:
    """Return the stored form of files, given as name, form, lines and SHA-256, and how many more there are."""
    kept = [
        KeptFile(name=storable(name), form=storable(form), lines=lines, sha256=sha256)
        for name, form, lines, sha256 in files[:MOST_FILES]
    ]
    return kept, max(0, len(files) - MOST_FILES)


def storable(text: str) -> str:
    """Return a text that UTF-8 can encode, with at most `LONGEST_TEXT` characters: a file's name can be any bytes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def join_comparisons(comparisons: Iterable[KeptComparison], new: KeptComparison) -> list[KeptComparison]:
    """Return the comparisons with a new one, whose days replace those of the same selection.

    Of more than `MOST_DAYS` days or `MOST_ROWS` rows, the earliest days are left out.
    """
    days = {row.day for row in new.rows}
    joined = _filtered(
        comparisons, lambda comparison, row: comparison.selection != new.selection or row.day not in days
    )
    joined.append(new)
    rows_of_day: dict[str, int] = {}
    for comparison in joined:
        for row in comparison.rows:
            rows_of_day[row.day] = rows_of_day.get(row.day, 0) + 1
    kept_days: set[str] = set()
    rows = 0
    for day in sorted(rows_of_day, reverse=True)[:MOST_DAYS]:
        rows += rows_of_day[day]
        if rows > MOST_ROWS and kept_days:
            break
        kept_days.add(day)
    return _filtered(joined, lambda _, row: row.day in kept_days)


def _filtered(
    comparisons: Iterable[KeptComparison], is_kept: Callable[[KeptComparison, KeptRow], bool]
) -> list[KeptComparison]:
    """Return the comparisons with some of their rows; those without a row are left out."""
    filtered = []
    for comparison in comparisons:
        rows = [row for row in comparison.rows if is_kept(comparison, row)]
        if rows:
            filtered.append(msgspec.structs.replace(comparison, rows=rows))
    return filtered
