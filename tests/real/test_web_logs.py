"""A real nginx writes its access log in several forms while a client sends hostile requests: every line is readable."""

import asyncio
import base64
import os
import re
import socket
from pathlib import Path

import pytest

from streamusage.access_logs.web.format import detect, find_format
from streamusage.access_logs.web.quick_formats import OPTIONAL_FIELDS, STREAMTOP
from streamusage.access_logs.web.request import WebRequest
from tests.support.needs import need
from tests.support.real.processes import Programs, free_port, until

ALL_FIELDS = STREAMTOP + "".join(f' {name}="{variable}"' for name, variable in OPTIONAL_FIELDS) + " time=$request_time"
JSON = (
    '{"time":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":$status,"bytes_sent":$bytes_sent,'
    '"http_user_agent":"$http_user_agent","http_x_forwarded_for":"$http_x_forwarded_for","http_cookie":"$http_cookie",'
    '"host":"$host","user":"$remote_user","request_time":$request_time}'
)
OWN_JSON = (
    '{"at":"$msec","who":"$remote_addr","what":"$request","code":"$status","volume":"$bytes_sent",'
    '"by":"$http_user_agent"}'
)
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
OWN = '$status $bytes_sent [$time_iso8601] ($remote_addr) "$request" <"$http_user_agent">'
TABS = "$msec\t$remote_addr\t$request\t$status\t$bytes_sent\t$http_user_agent"

FORMS = {
    # name of the log: (escape, log_format, the form that the operator configures; None where it is detected)
    "combined": ("default", COMBINED, None),
    "combined_json": ("json", COMBINED, None),
    "main": ("default", COMBINED + ' "$http_x_forwarded_for"', None),
    "with_host": ("default", "$host:$server_port " + COMBINED, None),
    "monitored": ("default", COMBINED + ' rt=$request_time uct="$upstream_connect_time"', None),
    "streamtop": ("default", STREAMTOP, None),
    "streamtop_json": ("json", STREAMTOP, None),
    "all_fields": ("default", ALL_FIELDS, None),
    "all_fields_json": ("json", ALL_FIELDS, None),
    "json": ("json", JSON, None),
    "json_default": ("default", JSON, None),
    "own_json": ("json", OWN_JSON, OWN_JSON),
    "tabs": ("default", TABS, TABS),
    "own": ("default", OWN, OWN),
}

SEGMENT = b"x" * 5000


def http(path: bytes, *headers: bytes, method: bytes = b"GET", protocol: bytes = b" HTTP/1.1") -> bytes:
    lines = (method + b" " + path + protocol, b"Host: live.example.com", b"Connection: close", *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def basic(user: bytes) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(user + b":x")


AGENTS = [
    b"player/1 (X11; Linux)",
    b'quote " 200 9 "-" "x',
    b"back \\ slash \\x22 \\",
    "Плеер".encode(),
    b"\xff\xfe invalid",
    b"tab\there",
    b"-",
    b'{"status":200}',
    b"[28/Nov/2026:13:36:49 +0000]",
    b"a" * 4000,
]

READABLE = [http(b"/hls/s1-7.ts?sid=1", b"User-Agent: " + agent) for agent in AGENTS]

HOSTILE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(1, 40)) + b"\r\n",
    b"GET /hls/s1-7.ts\r\n",
    b"GET\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b'" 200 1000000 "player" "x\r\n\r\n',
    b"\\x22 \\\r\n\r\n",
    b"HELP\r\n\r\n",
    b"get /hls/s1-7.ts HTTP/1.1\r\n\r\n",
    b"GET /hls/s1-7.ts HTTP/9.9\r\n\r\n",
    b"GET /hls/s1-7.ts HTTP/1.1\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    http(b"http://other.example/hls/s1-7.ts"),
    http(b'/hls/"\' 200 9 "-" "-"'),
    http(b"/hls/%22%0a%00.ts"),
    http(b"/hls/\xff\xd0\xbf.ts"),
    http(b"/hls/s1-7.ts", b'X-Forwarded-For: 192.0.2.1, \' OR 1=1, "x"'),
    http(b"/hls/s1-7.ts", b"X-Forwarded-For: 192.0.2.1, 203.0.113.7"),
    http(b"/hls/s1-7.ts", b'Cookie: a="b"; sid=\\x22', b'Referer: " 200 5 "', b'Via: "x'),
    http(b"/hls/s1-7.ts", basic(b"ann lee")),
    http(b"/hls/s1-7.ts", basic(b'"] "GET / HTTP/1.1" 200 9')),
    http(b"/hls/s1-7.ts", basic(b"[x] \\ \xff")),
    http(b"/hls/s1-7.ts", method=b"HEAD"),
    http(b"/hls/s1-7.ts", b"Range: bytes=0-99"),
    http(b"/hls/s1-7.ts", b"Host: second.example"),
    http(b"/hls/s1-7.ts", b"Content-Length: -1"),
]


class WebNginx:
    """An nginx on loopback that writes each request to one log of each form."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def lines(self, name: str) -> list[bytes]:
        return self.log(name).read_bytes().splitlines()

    def write_configuration(self) -> None:
        (self.directory / "hls").mkdir()
        (self.directory / "hls" / "s1-7.ts").write_bytes(SEGMENT)
        formats = "\n".join(
            "log_format {} escape={} '{}';".format(name, escape, text.replace("'", "\\'"))
            for name, (escape, text, _) in FORMS.items()
            if name != "combined"
        )
        logs = "\n".join(f"access_log {self.log(name)} {name};" for name in FORMS)
        user = "user root root;" if os.geteuid() == 0 else ""
        temp_paths = " ".join(
            f"{kind}_temp_path {self.directory / kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.directory / "nginx.conf").write_text(
            f"""
            {user}
            daemon off; worker_processes 1; pid {self.directory}/nginx.pid; error_log {self.directory}/error.log crit;
            events {{ worker_connections 64; }}
            http {{
              {temp_paths}
              {formats}
              server {{ listen 127.0.0.1:{self.port}; root {self.directory}; {logs} }}
            }}
            """
        )

    async def send(self, data: bytes) -> None:
        """Send bytes on a connection of their own and wait until nginx closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        writer.write_eof()
        await reader.read()
        writer.close()

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
async def nginx(tmp_path: Path, programs: Programs) -> WebNginx:
    need("nginx")
    server = WebNginx(tmp_path)
    server.write_configuration()
    programs.start("nginx", ["nginx", "-p", str(tmp_path), "-e", "error.log", "-c", "nginx.conf"])
    await until(server.is_ready, "nginx accepts connections")
    return server


def parse(nginx: WebNginx, name: str) -> list[WebRequest | None]:
    lines = nginx.lines(name)
    own = FORMS[name][2]
    form = detect(lines) if own is None else find_format(own or FORMS[name][1])
    assert form is not None, name
    return [form.parse(line) for line in lines]


async def send_all(nginx: WebNginx, requests: list[bytes]) -> None:
    for number, data in enumerate(requests, 1):
        await nginx.send(data)
        await until(
            lambda number=number: len(nginx.lines("tabs")) == number, f"line {number} is written: {data[:50]!r}"
        )


async def test_lines_of_viewers_have_the_fields_that_were_sent(nginx: WebNginx) -> None:
    await send_all(nginx, READABLE)

    truth = [(agent.decode("utf-8", "backslashreplace") if agent != b"-" else "") for agent in AGENTS]
    for name, (_, text, _) in FORMS.items():
        found = parse(nginx, name)
        assert [request and request.user_agent for request in found] == truth, name
        assert {request and request[2:6] for request in found} == {
            (("127.0.0.1",), "GET", "/hls/s1-7.ts?sid=1", 200)
        }, name
        least = len(SEGMENT) if "$body_bytes_sent" in text else len(SEGMENT) + 100
        assert all(request is not None and least <= request.bytes_out < 6000 for request in found), name


async def test_every_line_is_readable_whatever_was_sent(nginx: WebNginx) -> None:
    await send_all(nginx, HOSTILE)

    statuses = [int(line.split(b"\t")[-3]) for line in nginx.lines("tabs")]
    for name in FORMS:
        found = parse(nginx, name)
        unreadable = [line for line, request in zip(nginx.lines(name), found, strict=True) if request is None]
        assert not unreadable, name
        assert [request and request.status for request in found] == statuses, name
        assert all(request is not None and request.addresses[-1] == "127.0.0.1" for request in found), name
        watching = [request for request in found if request is not None and request.status in (200, 206)]
        assert all(re.fullmatch(r"/hls/s1-7\.ts", request.target) for request in watching), name


async def test_forms_agree_about_every_request(nginx: WebNginx) -> None:
    await send_all(nginx, READABLE + HOSTILE)

    views = {
        name: [
            request and (request.method, request.target, request.status, request.user_agent)
            for request in parse(nginx, name)
        ]
        for name in FORMS
    }
    for name, view in views.items():
        assert view == views["streamtop"], name
