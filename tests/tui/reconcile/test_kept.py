"""Stored results of comparisons: round trip, joining, bounds, damage."""

from fractions import Fraction

import msgspec
import pytest

from tests.support.commands.kept_results import HEADS, kept_comparison, kept_row
from tui.reconcile.compared_rows import AmountBounds, ComparedRow, Explained, is_within
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.kept import (
    KIND,
    MOST_DAYS,
    MOST_FILES,
    MOST_ROWS,
    KeptDocument,
    KeptResultsError,
    decode_document,
    encode_document,
    join_comparisons,
    keep_files,
    keep_row,
)

PERCENT = Fraction(1, 100)


def compared(account: int | None, service: int | None, *causes: Explained) -> ComparedRow:
    row = ComparedRow("2026-11-20", "", account, service, causes, AmountBounds(0, 0), False, 1, True)
    return row._replace(is_within=is_within(row, PERCENT))


def test_document_reads_back_as_it_was_written() -> None:
    rows = kept_row("2026-11-20", 1050, 1000, "explained", causes=[HEADS]), kept_row("2026-11-21", None, 5, "explained")
    document = KeptDocument(service="s", addresses=["http://one:5080"], comparisons=[kept_comparison(*rows)])
    assert decode_document(msgspec.json.encode(document)) == document


def test_row_that_needs_no_cause_agrees_and_one_that_does_is_explained() -> None:
    heads = Explained("HEAD requests", 50, 0, 60, "")
    assert keep_row(compared(1000, 1000), PERCENT).result == "agrees"
    assert keep_row(compared(1010, 1005), PERCENT).result == "agrees"
    assert keep_row(compared(1050, 1000, heads), PERCENT).result == "explained"
    assert keep_row(compared(1100, 1000, heads), PERCENT).result == "unexplained"
    assert keep_row(compared(1000, 1000, Explained("repeated lines", 50, 50, 50, "")), PERCENT).result == "unexplained"
    assert keep_row(compared(None, 5), PERCENT).result == "unexplained"
    assert keep_row(compared(None, 0), PERCENT).result == "agrees"


def test_newer_result_replaces_the_days_of_the_same_selection_only() -> None:
    first = kept_comparison(kept_row("2026-11-20", 1, 2, "unexplained"), kept_row("2026-11-21", 1, 1, "agrees"))
    new = kept_comparison(kept_row("2026-11-20", 2, 2, "agrees"), compared_at=2)
    others = [
        kept_comparison(kept_row("2026-11-20", 5, 5, "agrees"), **differing)
        for differing in (
            {"tz": "Europe/Berlin"},
            {"figure": Measure.VIEW_TIME},
            {"by": Grouping.SERVER},
            {"servers": ["edge-1"]},
        )
    ]
    joined = join_comparisons([first, *others], new)
    assert joined == [msgspec.structs.replace(first, rows=first.rows[1:]), *others, new]
    assert join_comparisons([new], first) == [first]


def test_earliest_days_are_left_out_beyond_the_bounds() -> None:
    days = [
        f"{2000 + number // 300}-{number // 25 % 12 + 1:02}-{number % 25 + 1:02}" for number in range(MOST_DAYS + 9)
    ]
    comparisons = [kept_comparison(*(kept_row(day, 1, 1, "agrees") for day in days[:-1]))]
    joined = join_comparisons(comparisons, kept_comparison(kept_row(days[-1], 1, 1, "agrees")))
    assert [row.day for comparison in joined for row in comparison.rows] == days[9:]
    many = [kept_row("2030-01-01", 1, 1, "agrees", group=str(number)) for number in range(MOST_ROWS)]
    assert join_comparisons(joined, kept_comparison(*many)) == [kept_comparison(*many)]


def test_long_notes_and_many_files_are_shortened() -> None:
    found = Explained("HEAD requests", 50, 0, 60, "x" * 10_000)
    assert len(keep_row(compared(1050, 1000, found), PERCENT).causes[0].note) == 300
    files, more = keep_files([("n" * 10_000, "combined", 1, "0")] * (MOST_FILES + 7))
    assert (len(files), more, len(files[0].name)) == (MOST_FILES, 7, 300)


def test_text_that_is_no_unicode_is_stored_readably() -> None:
    files, _ = keep_files([("log\udcff", "combined", 1, "0")])
    row = keep_row(compared(1, 1)._replace(group="edge\udc80"), PERCENT)
    document = KeptDocument(addresses=[], comparisons=[kept_comparison(row, files=files)])
    (comparison,) = decode_document(encode_document(document)).comparisons
    assert (comparison.files[0].name, comparison.rows[0].group) == ("log\\udcff", "edge\\udc80")


def test_figure_beyond_63_bits_is_not_stored() -> None:
    for figure in (2**63, 10**400):
        rows = [kept_row("2026-11-20", figure, 1, "unexplained")]
        with pytest.raises(KeptResultsError, match="is damaged"):
            encode_document(KeptDocument(addresses=[], comparisons=[kept_comparison(*rows)]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is damaged: "),
        (b'{"kind": "streamtop-recon', "is damaged: "),
        (b"\xff\x00", "is damaged: "),
        (b"[" * 100_000, "is damaged: "),
        (b"[]", "is damaged: "),
        (b"{}", "is not a file of kept comparisons"),
        (b'{"kind": "other", "version": 1}', "is not a file of kept comparisons"),
        (f'{{"kind": "{KIND}", "version": 2}}'.encode(), "has version 2, and this program reads version 1"),
        (f'{{"kind": "{KIND}", "version": 1}}'.encode(), "is damaged: Object missing required field `addresses`"),
    ],
)
def test_unusable_content_is_named(content: bytes, reason: str) -> None:
    with pytest.raises(KeptResultsError) as refused:
        decode_document(content)
    assert str(refused.value).startswith(reason)


def test_row_with_a_day_that_is_none_is_damage() -> None:
    document = KeptDocument(addresses=[], comparisons=[kept_comparison(kept_row("20 Nov\x1b[2J", 1, 1, "agrees"))])
    with pytest.raises(KeptResultsError, match="is damaged"):
        decode_document(msgspec.json.encode(document))
