"""Texts of the alerts page are folded, not cut, at the width of the screen."""

from datetime import UTC

import pytest
from msgspec.structs import replace

from streamusage.api.alerts import AlertList, AlertStatus, Silence
from tui.screens.alerts.lines import AlertPage

LONG = "the store /var/lib/streamtop/usage.db is damaged in the table slots, and three more tables cannot be read"
ALERT = AlertStatus(
    id="1",
    episode=0,
    rule="store",
    kind="store",
    severity="critical",
    phase="firing",
    labels={},
    summary=LONG,
    since=0,
    description=LONG,
)
LISTED = AlertList(
    now=0, is_configured=True, rules=1, alerts=[ALERT], receivers=[], failing_rules={"late days": f"{LONG}; {LONG}"}
)
SILENCE = Silence(
    id="5f0c2a91", matchers={"rule": LONG}, created_at=0, ends_at=7_200_000, by="boss", reason=f"{LONG}\x1b[2J"
)
NONE = AlertList(now=0, is_configured=False, alerts=[], receivers=[])


@pytest.mark.parametrize("listed", [LISTED, LONG, NONE], ids=["alerts", "error", "none"])
def test_no_line_is_wider_than_80_columns(listed: AlertList | str) -> None:
    page = AlertPage(60_000, None, 80, ("", False, "1"))
    page.add_service("", listed, [SILENCE])
    lines = ["".join(text for text, _ in line) for line in page.lines]
    assert [line for line in lines if len(line) > 80] == []
    if listed is not LISTED:
        return
    text = " ".join(" ".join(lines).split())
    assert text.count("three more tables cannot be read") == 6
    assert [(entry.subject, lines[entry.first][:3]) for entry in page.entries] == [(ALERT, "▸ c"), (SILENCE, "  5")]
    assert all(line.strip() for entry in page.entries for line in lines[entry.first : entry.end])


def test_ended_alert_has_its_end_and_its_length() -> None:
    page = AlertPage(7_200_000, UTC, 80)
    ended = replace(ALERT, phase="resolved", since=0, resolved_at=3_900_000)
    page.add_service("", replace(LISTED, alerts=[ended]), [])
    assert any("ended 01:05 after 1h05 · store" in "".join(text for text, _ in line) for line in page.lines)
