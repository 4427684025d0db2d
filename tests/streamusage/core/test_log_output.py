"""Format of the log of a service or an agent."""

import json
import logging

import pytest

from streamusage.core.log_output import OneLineFormatter


@pytest.mark.parametrize("log_format", ["text", "kv", "json"])
def test_any_event_is_formatted_as_one_line(log_format: str) -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 0, "stream %s\nis \x1b[2J gone", ("[red]x\r\n",), None)
    line = OneLineFormatter(log_format).format(record)  # type: ignore[arg-type]
    assert line.isprintable()
    if log_format == "json":
        assert json.loads(line)["message"] == "stream [red]x\r\n\nis \x1b[2J gone"
