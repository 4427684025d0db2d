"""Answers of a Stream Manager to the request for its usage records, from ordinary to broken, by name."""

import gzip
import json
import zlib
from typing import Any

from tests.support.canned_answers import reply
from tests.support.plain_manager import wire, without

RECORD = json.dumps(wire())


def listed(*records: object, **headers: str) -> bytes:
    """Return the reply with a list of records."""
    return reply(200, json.dumps(records), **headers)


def figures(**changed: Any) -> bytes:
    """Return the reply with one record of which some fields are others."""
    return listed(wire() | changed)


def with_text(field: str, text: str) -> bytes:
    """Return the reply with one record of which one number is written as the text."""
    return reply(200, "[" + json.dumps(wire() | {field: "HERE"}).replace('"HERE"', text) + "]")


def error(text: str) -> str:
    """Return the documented error body."""
    return json.dumps({"errorMessage": text, "timestamp": 1525079744558})


def page(text: str = "Oops") -> str:
    """Return a web page."""
    return f"<!doctype html><html><title>{text}</title></html>"


def head(*lines: str) -> bytes:
    """Return the head of a reply."""
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def chunked(*parts: bytes, is_complete: bool = True) -> bytes:
    """Return a reply whose body is sent in chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + body + (b"0\r\n\r\n" if is_complete else b"")


_BODY = f"[{RECORD}]".encode()
_TWO = f"[{RECORD},{json.dumps(wire('second'))}]".encode()
_E = {"startTime": 1.525079735738e12, "endTime": 1.525079744558e12, "duration": 8820.0, "updated": 1.525079744559e12}

ENCODINGS = {
    "as documented": listed(wire()),
    "names in other scripts": listed(wire("日本語"), wire("ünïcode", start=1525079735739)),
    "byte order mark": reply(200, b"\xef\xbb\xbf" + _BODY),
    "UTF-16": reply(200, _BODY.decode().encode("utf-16")),
    "Latin-1 name": reply(200, _BODY.replace(b"keynote", b"k\xe9ynote")),
    "gzip": reply(200, gzip.compress(_BODY), Content_Encoding="gzip"),
    "deflate": reply(200, zlib.compress(_BODY), Content_Encoding="deflate"),
    "claims gzip": reply(200, _BODY, Content_Encoding="gzip"),
    "cut gzip": reply(200, gzip.compress(_BODY)[:-20], Content_Encoding="gzip"),
    "chunks": chunked(_BODY[:30], _BODY[30:]),
    "text/plain": reply(200, _BODY, kind="text/plain"),
    "wrong charset": reply(
        200, json.dumps([wire("日本語")], ensure_ascii=False), kind="application/json;charset=latin1"
    ),
    "control characters in a name": listed(wire("a\x1b[2Jb\x00c")),
    "lone surrogate": reply(200, _BODY.replace(b"keynote", b"\\ud800")),
    "spaces and line breaks": reply(200, json.dumps([wire()], indent=8)),
    "HTTP/1.0": head("HTTP/1.0 200 OK") + _BODY,
}
TRUNCATIONS = {
    "empty body": reply(200, b""),
    "bracket only": reply(200, b"["),
    "cut in a record": reply(200, _BODY[:60]),
    "cut after a record": reply(200, _BODY[:-1]),
    "cut after a comma": reply(200, _TWO[: _TWO.index(b",{") + 1] + b"]"),
    "cut in a character": reply(200, json.dumps([wire("日")], ensure_ascii=False).encode()[:12]),
    "shorter than announced": reply(200, _BODY)[:-40],
    "chunks without an end": chunked(_BODY[:30], is_complete=False),
    "connection closed": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "documented example": reply(200, _BODY.replace(b'"lostSubscribers": 2,', b'"lostSubscribers": 2')),
}
NUMBERS = {
    "scientific notation": figures(**_E),
    "decimal point": figures(totalSubscribers=4.0, maxSubscribers=3.0),
    "strings": figures(totalSubscribers="4", startTime="1525079735738"),
    "strings in scientific notation": figures(startTime="1.525079735738E12"),
    "fraction": figures(totalSubscribers=4.5),
    "word": figures(totalSubscribers="many"),
    "null": figures(totalSubscribers=None, endTime=None),
    "missing": listed(without(wire(), "totalSubscribers")),
    "truth value": figures(totalSubscribers=True),
    "list": figures(totalSubscribers=[4]),
    "separated thousands": figures(totalSubscribers="1,204"),
    "negative count": figures(totalSubscribers=-4),
    "negative zero": with_text("totalSubscribers", "-0"),
    "beyond 64 bits": figures(totalSubscribers=10**25),
    "float beyond exact integers": with_text("totalSubscribers", "1e300"),
    "float beyond floats": with_text("totalSubscribers", "1e400"),
    "NaN": with_text("totalSubscribers", "NaN"),
    "leading zeros": with_text("totalSubscribers", "007"),
    "negative time": figures(startTime=-5000),
    "time of 0": figures(startTime=0),
    "year 2058": figures(startTime=2785079735738),
    "year 33658": figures(startTime=10**15),
    "end before start": figures(endTime=1525079700000, duration=-35738),
}
REDIRECTS = {
    "301 to https": reply(301, "", Location="https://sm.example.net/streammanager/api"),
    "302 to a login": reply(302, "", Location="/login?token=x"),
    "307 without a target": reply(307, ""),
    "308 with a login in its target": reply(308, "", Location="https://me:pw@sm.example.net/"),
}
TYPES = {
    "empty list": reply(200, "[]"),
    "object": reply(200, '{"records": []}'),
    "null instead of a list": reply(200, "null"),
    "number instead of a list": reply(200, "42"),
    "text instead of a list": reply(200, '"none"'),
    "list of numbers": reply(200, "[1, 2]"),
    "list of lists": reply(200, f"[[{RECORD}]]"),
    "null among records": reply(200, f"[{RECORD}, null]"),
    "empty object": reply(200, "[{}]"),
    "empty object among records": reply(200, f"[{RECORD}, {{}}]"),
    "number as a name": listed(wire("second"), wire() | {"name": 5}),
    "correct spelling of active": listed(without(wire(), "aciveSubscribers") | {"activeSubscribers": 2}),
    "unknown fields": figures(bitrate=3, codec="h264"),
    "slash before the scope": figures(scope="/live"),
    "repeated field": reply(200, f'[{RECORD[:-1]}, "totalSubscribers": 9}}]'),
    "repeated session": listed(wire(), wire(totalSubscribers=9)),
    "trailing comma": reply(200, f"[{RECORD},]"),
    "single quotes": reply(200, f"[{RECORD}]".replace('"', "'")),
    "one record a line": reply(200, f"{RECORD}\n{RECORD}\n"),
    "XML": reply(200, "<?xml version='1.0'?><records/>", kind="text/xml"),
    "web page": reply(200, page("Log in"), kind="text/html"),
    "error object": reply(200, error("no node group")),
    "error object of a gateway": reply(200, '{"error": {"code": 401, "message": "no such key"}}'),
}
STATUSES = {
    "204": reply(204),
    "206": reply(206, _BODY),
    "400 of the token": reply(400, error("invalid access token")),
    "400": reply(400, error("bad request")),
    "401": reply(401, error("unknown token")),
    "401 of a gateway": reply(401, '{"error": "invalid_token", "error_description": "the token expired"}'),
    "403 page": reply(403, page(), kind="text/html"),
    "404 of the store": reply(404, error("no usage records")),
    "404 with a date": reply(404, '{"errorMessage": "no records", "timestamp": "2018-04-30T09:15:44Z"}'),
    "404 page": reply(404, page(), kind="text/html"),
    "405": reply(405, page(), kind="text/html"),
    "408": reply(408, ""),
    "409": reply(409, error("conflict")),
    "413": reply(413, page(), kind="text/html"),
    "418": reply(418, "I'm a teapot", kind="text/plain"),
    "422": reply(422, error("unprocessable")),
    "429": reply(429, error("slow down"), Retry_After="500"),
    "500 page": reply(500, page(), kind="text/html"),
    "502 page": reply(502, page(), kind="text/html"),
    "503": reply(503, error("starting"), Retry_After="500"),
    "504": reply(504, ""),
    "status 999": head("HTTP/1.1 999 Odd"),
}
ODD_ANSWERS = ENCODINGS | TRUNCATIONS | NUMBERS | REDIRECTS | TYPES | STATUSES
