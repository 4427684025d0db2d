"""Batches of lines of Icecast's access log, as `UnderstoodLog` reads them. Pure."""

from streamusage.access_logs.icecast import IcecastLogLine, parse_line, parse_time_ms
from streamusage.agent.sources.common.logs.line_form import LineForms

FORM = (
    "the default access log of Icecast 2.4 or Icecast-KH, which begins with the address of the listener and ends with "
    "the seconds of the connection; set `access_log` to the file that `<accesslog>` names in icecast.xml"
)


def parse_lines(lines: list[bytes], forms: LineForms) -> list[IcecastLogLine]:
    """Return the connections of listeners and sources, as `UnderstoodLog` parses lines."""
    parsed = []
    for line in lines:
        connection = parse_line(line)
        if connection is None:
            forms.add_unreadable(parse_time_ms(line))
            continue
        forms.add_readable(connection.ended_s * 1000)
        if connection.kind != "other":
            parsed.append(connection)
    return parsed
