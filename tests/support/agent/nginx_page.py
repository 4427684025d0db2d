"""The statistics page of nginx-rtmp as responses of workers."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from tests.support.agent.http_answers import answer
from tests.support.agent.media_servers import read_fixture

PAGE = read_fixture("nginx_stat_2pub_4sub.xml")
IDLE_PAGE = read_fixture("nginx_stat_empty.xml")
"""The page of a worker without clients, as after a restart."""
BEGAN_S = 1795288680
"""When the configuration was loaded."""
NOW_MS = (BEGAN_S + 32) * 1000


def page_response(
    pid: int = 10427, uptime_s: int = 32, began_s: int = BEGAN_S, *, date_shift_s: int = 0, page: bytes = PAGE
) -> bytes:
    """The response of a worker, with a `Date` that a proxy shifted."""
    body = re.sub(rb"<pid>\d+", b"<pid>%d" % pid, page)
    body = re.sub(rb"<uptime>-?\d+", b"<uptime>%d" % uptime_s, body)
    date = format_datetime(datetime.fromtimestamp(began_s + uptime_s + date_shift_s, UTC), usegmt=True)
    return answer(body, Date=date)
