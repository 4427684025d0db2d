"""Texts of coverage reasons: present texts stay, and former texts map to present ones in one step."""

import pytest

from streamusage.core import reasons
from streamusage.core.reasons import FORMER, canonical_reason

PRESENT = {text for name, text in vars(reasons).items() if name[0].isupper() and isinstance(text, str)}


@pytest.mark.parametrize("text", sorted(PRESENT))
def test_present_text_is_canonical_and_fits_a_span_row(text: str) -> None:
    assert canonical_reason(text) == text
    assert len(text) <= 512


@pytest.mark.parametrize(("former", "present"), FORMER.items())
def test_former_text_maps_to_a_present_text(former: str, present: str) -> None:
    assert canonical_reason(former) == present
    assert present in PRESENT


def test_unknown_text_is_returned_unchanged() -> None:
    assert canonical_reason("journal destroyed") == "journal destroyed"


def test_every_text_has_a_former_text_or_is_new() -> None:
    new = {
        reasons.CLOCK_REFUSED,
        reasons.CLOCK_SET_FORWARD,
        reasons.COUNTER_DISAGREES,
        reasons.COUNTER_FELL,
        reasons.COUNTER_INVALID,
        reasons.FILED_AHEAD,
        reasons.FILED_BY_REPAIR,
        reasons.HLS_INFERRED,
        reasons.HLS_LOG_NOT_OPENED,
        reasons.HLS_LOG_NOT_UNDERSTOOD,
        reasons.ID_USED_AGAIN,
        reasons.IDS_BEGAN_AGAIN,
        reasons.LENGTH_UNKNOWN,
        reasons.LINES_UNDATED,
        reasons.LINES_UNREADABLE,
        reasons.LOG_NOT_OPENED,
        reasons.LOG_NOT_UNDERSTOOD,
        reasons.MEDIAMTX_CDN,
        reasons.NEVER_READ,
        reasons.OLD_WORKER_SERVES,
        reasons.SOURCE_UNREAD,
        reasons.SRS_LIST_INVALID,
        reasons.SRS_LIST_SHORT,
        reasons.SRS_NAME_REPAIRED,
        reasons.TIME_UNKNOWN,
    }
    assert set(FORMER.values()) == PRESENT - new
