"""Sessions: which figures are exact, bounds, reported or unknown."""

import msgspec
import pytest

from streamusage import AtLeast, Exact, PartialUsageRecord, Provenance, Reported, SessionKey, StreamId, Unknown
from streamusage.api.extension import SessionRecord
from streamusage.library.sessions import session_of
from tests.support.plain_manager import wire


def record(provenance: str, **more: object) -> SessionRecord:
    fields = wire() | {"live": True, "provenance": provenance} | more
    return msgspec.convert(fields, SessionRecord)


@pytest.mark.parametrize("provenance", ["live", "backfilled"])
def test_figures_of_a_reported_session_are_exact_but_for_the_maximum(provenance: str) -> None:
    session, state = session_of(record(provenance)), Provenance(provenance)
    assert session.total_subscribers == Exact(4, state)
    assert session.active_subscribers == Exact(2, state)
    assert session.max_subscribers == AtLeast(3, state)
    assert (session.provenance, session.live, session.imported) == (state, True, False)


@pytest.mark.parametrize("provenance", ["partial", "missing", "lost", "held"])
def test_figures_of_a_session_that_leaves_something_out_are_lower_bounds(provenance: str) -> None:
    session, state = session_of(record(provenance)), Provenance(provenance)
    assert session.total_subscribers == AtLeast(4, state)
    assert session.active_subscribers == AtLeast(2, state)


def test_viewers_of_a_server_that_is_not_seen_are_left_out_of_the_bound() -> None:
    assert session_of(record("missing", unseenSubscribers=2)).active_subscribers == AtLeast(0, Provenance.MISSING)


def test_figures_of_an_imported_record_are_reported_only() -> None:
    session = session_of(record("partial", imported=True))
    assert (session.imported, session.provenance) == (True, None)
    assert session.max_subscribers == Reported(3)


def test_session_of_a_plain_stream_manager_knows_what_was_sent() -> None:
    session = session_of(PartialUsageRecord("keynote", "live", 0, None, None, 5, None, None, None, None))
    assert (session.active_subscribers, session.total_subscribers) == (Reported(5), Unknown(None))
    assert (session.started_at, session.ended_at, session.live) == (None, None, None)
    assert (session.key, session.stream) == (SessionKey("live", "keynote", 0), StreamId("live", "keynote"))
