"""Today's service opens a SQLite store of before and answers from it as the service did that wrote it."""

import json
import shutil
from pathlib import Path

from tests.compatibility.exchange import check_transcript, with_imports_as_before
from tests.compatibility.programs.processes import FIXTURES
from tests.compatibility.record import record_store_answers


def test_service_answers_from_an_old_store_as_before(tmp_path: Path) -> None:
    store = tmp_path / "usage.db"
    shutil.copyfile(FIXTURES / "store.db", store)
    cursor = (FIXTURES / "store_cursor.txt").read_text().strip()

    transcript = record_store_answers(store, cursor, tmp_path)

    transcript = with_imports_as_before(transcript)
    check_transcript(json.loads((FIXTURES / "store_answers.json").read_text()), transcript)
