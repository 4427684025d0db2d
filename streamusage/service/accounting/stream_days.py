"""Days by stream as the store has them now: from hours by stream, and from minutes of hours that are not summed yet."""

from collections.abc import Mapping

from sqlalchemy import Connection

from streamusage.core.coverage import Interval
from streamusage.core.usage import StreamId
from streamusage.service.accounting.stream_hours import iterate_stored_hours, roll_up_minutes
from streamusage.service.rules.rollups import HOUR_MS, round_to_quarters
from streamusage.service.rules.stream_days import StreamDay, sum_streams
from streamusage.service.rules.stream_hours import StreamHour


def load_stream_days(
    connection: Connection, summed_to: Mapping[str, int], day: Interval, *, with_minutes: bool
) -> dict[str, dict[StreamId, StreamDay]]:
    """Return the figures by stream of servers over an interval of any time zone, by server.

    `summed_to` names the servers, and the instant before which the hours of each are summed. A day of 600 streams with
    their minutes takes 14 MB: read a large estate by some servers at a time.
    """
    interval = round_to_quarters(day)
    window = Interval(interval.from_ms // HOUR_MS * HOUR_MS, -(-interval.to_ms // HOUR_MS) * HOUR_MS)
    hours: dict[str, dict[int, StreamHour]] = {server: {} for server in summed_to}
    for server, start, hour in iterate_stored_hours(connection, window, summed_to, with_minutes=with_minutes):
        hours[server][start] = hour
    later: dict[int, list[str]] = {}
    for server, upto in summed_to.items():
        if upto < window.to_ms:
            later.setdefault(max(upto, window.from_ms), []).append(server)
    for from_ms, names in later.items():
        for server, found in roll_up_minutes(connection, names, Interval(from_ms, window.to_ms)).items():
            hours[server].update(found)
    return {
        server: sum_streams(of_server.items(), interval, with_minutes=with_minutes)
        for server, of_server in hours.items()
    }
