"""The agent's log on stderr: one line an event, as words, as key=value or as JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "kv", "json"]


def log_to_stderr(style: LogFormat, verbose: bool) -> None:
    """Sends the process's log to stderr. The HTTP client's own lines, which hold URLs, stay out of it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(style))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.INFO)
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)


class OneLine(logging.Formatter):
    """A record as one line whatever is in it: line ends and controls in a message are escaped."""

    def __init__(self, style: LogFormat) -> None:
        super().__init__()
        self._shape = style

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = record.getMessage()
        if record.exc_info:
            said = f"{said} {self.formatException(record.exc_info)}"
        level = record.levelname.lower()
        if self._shape == "json":
            return json.dumps({"at": at, "level": level, "logger": record.name, "message": said}, ensure_ascii=True)
        if self._shape == "kv":
            return f"at={at} level={level} logger={record.name} message={json.dumps(said, ensure_ascii=True)}"
        return f"{at} {record.levelname} {_printable(said)}"


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
