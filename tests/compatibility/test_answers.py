"""A fresh service of today answers as the one did whose transcript is in `fixtures/answers.json`, to the byte but for
texts: values and the order of fields.
"""

import json
from pathlib import Path

from tests.compatibility.exchange import (
    check_equal,
    check_transcript,
    field_orders,
    with_imports_as_before,
    with_maxima_by_arrival,
    with_silent_as_lost,
)
from tests.compatibility.programs.processes import FIXTURES
from tests.compatibility.record import record_answers


def test_fresh_service_answers_as_before(tmp_path: Path) -> None:
    transcript, _, _ = record_answers(tmp_path)

    expected = json.loads((FIXTURES / "answers.json").read_text())
    transcript = with_silent_as_lost(expected, with_imports_as_before(transcript))
    transcript = with_maxima_by_arrival(expected, transcript)
    check_transcript(expected, transcript)
    check_equal(json.loads((FIXTURES / "field_orders.json").read_text()), field_orders(transcript))
