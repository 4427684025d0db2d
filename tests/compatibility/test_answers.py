"""A fresh service of today answers as the one did whose transcript is in `fixtures/answers.json`."""

import json
from pathlib import Path

from tests.compatibility.exchange import check_transcript
from tests.compatibility.processes import FIXTURES
from tests.compatibility.record import record_answers


def test_fresh_service_answers_as_before(tmp_path: Path) -> None:
    transcript, _, _ = record_answers(tmp_path)

    check_transcript(json.loads((FIXTURES / "answers.json").read_text()), transcript)
