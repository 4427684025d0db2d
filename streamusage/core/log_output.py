"""Log of a service or an agent on stderr: one line for each event, as text, key=value or JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from streamusage.core.text import escape_unprintable

LogFormat = Literal["text", "kv", "json"]


def log_to_stderr(log_format: LogFormat, level: int = logging.INFO) -> None:
    """Send the log of this project at a level to stderr, and warnings of libraries: their other lines contain URLs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter(log_format))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("streamusage").setLevel(level)


class OneLineFormatter(logging.Formatter):
    """Formats a record as one line: line ends and control characters in a message are escaped."""

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = record.getMessage()
        if record.exc_info:
            message = f"{message} {self.formatException(record.exc_info)}"
        level = record.levelname.lower()
        if self._log_format == "json":
            return json.dumps({"at": at, "level": level, "logger": record.name, "message": message}, ensure_ascii=True)
        if self._log_format == "kv":
            return f"at={at} level={level} logger={record.name} message={json.dumps(message, ensure_ascii=True)}"
        return f"{at} {record.levelname} {escape_unprintable(message)}"
