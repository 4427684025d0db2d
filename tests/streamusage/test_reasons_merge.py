"""Spans of one cause merge, in the agent's journal and at the service, whichever version of the program wrote them."""

from random import Random

import pytest
from sqlalchemy import create_engine, insert, select

from streamusage.agent.journal.folding import write_additions
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.protocol import Head
from streamusage.agent.journal.rows import key_of
from streamusage.agent.metering.additions import Additions, SpanAddition
from streamusage.api.report import Based, Baseline, EpochIssued, PeakWindow, Report, SpanRow
from streamusage.core.coverage import Provenance
from streamusage.core.reasons import FORMER, REPORT_HELD
from streamusage.service.rules.apply import Piece, ServerState, StoredRows, apply_report
from streamusage.service.rules.coverage import merge_pieces
from streamusage.service.store.schema import metadata, spans
from streamusage.service.store.server_rows import (
    piece_of_row,
    save_pieces,
)
from tests.faults.memory import Chance, MemoryJournal
from tests.support.agent.readings import T0, reading

CAUSES = [(former, present) for former, present in FORMER.items() if present != REPORT_HELD]
either_version = pytest.mark.parametrize(("former", "present"), CAUSES)


def a_journal() -> MemoryJournal:
    return MemoryJournal(Chance(Random(1), 0.0))


@either_version
def test_journal_extends_a_span_that_an_earlier_version_began(former: str, present: str) -> None:
    old = SpanRow(from_ms=T0, to_ms=T0 + 1_000, revision=1, state="partial", reason=former)
    journal = a_journal()
    with journal.transaction() as tx:
        tx.put(key_of(old)[1], old)
        addition = SpanAddition(T0 + 1_000, T0 + 2_000, "partial", present)
        head = write_additions(tx, Head(journal="j", span=old, revision=1), Additions(spans=[addition]))
    assert head.span == SpanRow(from_ms=T0, to_ms=T0 + 2_000, revision=2, state="partial", reason=present)
    assert list(journal.disk["rows"].values()) == [head.span]


def test_journal_keeps_spans_of_different_causes_apart() -> None:
    (former, _), (_, other) = CAUSES[0], CAUSES[1]
    old = SpanRow(from_ms=T0, to_ms=T0 + 1_000, revision=1, state="partial", reason=former)
    with a_journal().transaction() as tx:
        addition = SpanAddition(T0 + 1_000, T0 + 2_000, "partial", other)
        head = write_additions(tx, Head(journal="j", span=old, revision=1), Additions(spans=[addition]))
    assert head.span is not None
    assert head.span.from_ms == T0 + 1_000


def test_report_carries_the_present_text_of_a_row_that_an_earlier_version_wrote() -> None:
    former, present = CAUSES[0]
    journal = a_journal()
    ledger = Ledger(journal, "j", "edge-1", "edge", 10_000)
    ledger.record(reading(0))
    ledger.continue_from(EpochIssued(epoch=1, based_on=Based(0, 0), now=T0), ())
    old = SpanRow(from_ms=T0, to_ms=T0 + 1_000, revision=ledger.head.revision, state="partial", reason=former)
    with journal.transaction() as tx:
        tx.put(key_of(old)[1], old)
        tx.put_head(ledger.head)
    report = ledger.report(T0, "online")
    assert report is not None
    assert [span.reason for span in report.spans] == [present]


def a_report(*rows: SpanRow) -> Report:
    return Report(
        server="edge-1",
        role="edge",
        life="j.1",
        epoch=1,
        since=0,
        upto=10,
        sent_at=T0,
        sync_interval_ms=10_000,
        based_on=Based(0, 0),
        baseline=Baseline(
            at=T0, boot="b", started_at=0, since=T0, bytes_in=0, bytes_out=0, window=PeakWindow(T0, 0, 0)
        ),
        spans=rows,
    )


@pytest.mark.parametrize("state", ["partial", "lost"])
@either_version
def test_service_merges_spans_of_an_old_and_a_new_agent(former: str, present: str, state: str) -> None:
    rows = (
        SpanRow(from_ms=T0, to_ms=T0 + 1_000, revision=1, state=state, reason=former),  # type: ignore[arg-type]
        SpanRow(from_ms=T0 + 1_000, to_ms=T0 + 2_000, revision=2, state=state, reason=present),  # type: ignore[arg-type]
    )
    pieces = apply_report(ServerState(server="edge-1"), a_report(*rows), StoredRows({}, {}, {}), T0 + 2_000).pieces
    (span,) = merge_pieces(pieces, T0, T0 + 2_000)
    assert (span.from_ms, span.to_ms, span.reason) == (T0, T0 + 2_000, present)


@either_version
def test_store_extends_a_span_that_an_earlier_version_wrote(former: str, present: str) -> None:
    old = Piece(T0, T0 + 1_000, Provenance.PARTIAL, former, T0, T0)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(spans).values(server="edge-1", **old._asdict() | {"state": "partial"}))
        save_pieces(connection, "edge-1", [Piece(T0 + 1_000, T0 + 2_000, Provenance.PARTIAL, present, T0, T0)])
        (row,) = connection.execute(select(spans)).all()
    assert piece_of_row(row) == Piece(T0, T0 + 2_000, Provenance.PARTIAL, present, T0, T0)
