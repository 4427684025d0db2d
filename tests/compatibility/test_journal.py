"""Today's agent takes over the journal of an agent that died in the middle of an outage, and delivers everything."""

import json
from pathlib import Path

import pytest

from tests.compatibility.delivery import deliver
from tests.compatibility.exchange import check_equal
from tests.compatibility.programs.processes import FIXTURES

RECORDED = json.loads((FIXTURES / "journal.json").read_text())


@pytest.mark.parametrize("store", ["journal_store.db", None], ids=["store of before", "empty store"])
def test_agent_delivers_an_old_journal_in_full(store: str | None, tmp_path: Path) -> None:
    expected = RECORDED["figures"]["store of before" if store else "empty store"]

    found = deliver(FIXTURES / "journal.db", FIXTURES / store if store else None, RECORDED["start"], tmp_path / "run")

    check_equal(expected, found)
