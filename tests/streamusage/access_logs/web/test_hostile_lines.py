"""Lines that are made to be slow take time in proportion to their length."""

import time

import pytest

from streamusage.access_logs.web.format import FORMAT_NAMES, find_format
from tests.support.agent.web_log_lines import COMBINED, STREAMTOP

JSON = b'{"ts":1795873009.25,"ip":"198.51.100.7","request":"GET / HTTP/1.1","status":200,"bytes":5,"ua":"player/1"}'
PIECES = [
    *(
        b" ",
        b'"',
        b"\\",
        b'\\"',
        b"[",
        b"[28/Nov/2026",
        b": ",
        b", ",
        b'" ',
        b' "',
        b'"a" ',
        b"1.1.1.1, ",
        b":: - ",
        b":",
    ),
    *(b'{"a":', b"\t", b"|", b"\\x22", b'x="a" ', b"\xff"),
]
OWN = '$remote_addr - $remote_user [$time_local] "$request" $status $bytes_sent $request_time'


@pytest.mark.parametrize("name", [*FORMAT_NAMES, OWN, "#Fields: ts,ip,method,uri,status,bytes"])
def test_long_line_takes_no_more_than_linear_time(name):
    form = find_format(name)
    started = time.process_time()
    lines = 0
    for piece in PIECES:
        text = (piece * 10_000)[:10_000]
        for line in (COMBINED, STREAMTOP, JSON):
            for at in (0, 14, 60, len(line) - 1):
                form.parse(line[:at] + text + line[at:])
                lines += 1

    # Quadratic time would be seconds for a line.
    assert time.process_time() - started < lines * 0.05
