"""Addresses HOST:PORT: IPv6, port 0, and what earlier versions read."""

import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.addresses import HIGHEST_PORT, Address, AddressError, bracket_host, parse_host_port
from tests.support.program import REPOSITORY

CASES = settings(max_examples=1000, print_blob=True)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:5080", "127.0.0.1", 5080),
        ("localhost:0", "localhost", 0),
        ("edge-1.example.net:00080", "edge-1.example.net", 80),
        ("[::1]:5080", "::1", 5080),
        ("::1:5080", "::1", 5080),
        ("[fe80::1%eth0]:9090", "fe80::1%eth0", 9090),
        ("münchen.example:80", "münchen.example", 80),
        (" 127.0.0.1:65535\n", "127.0.0.1", 65_535),
    ],
)
def test_addresses_are_parsed(text: str, host: str, port: int) -> None:
    assert parse_host_port(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", ":", ":80", "[]:80", "host", "host:", "host:x", "host:-1", "host:+1", "host:65536", "host:" + "9" * 5000,
     "host:١", "::1", "a:b:80", "http://host:80", "h h:80", "h\x00:80", "h\u202e:80", "a" * 64 + ":80", "a..b:80"],
)  # fmt: skip
def test_other_text_is_refused_with_the_text_and_examples(text: str) -> None:
    with pytest.raises(
        AddressError, match=r"is not HOST:PORT; .* such as 127\.0\.0\.1:5080 or \[::1\]:5080"
    ) as refused:
        parse_host_port(text)
    assert str(refused.value).startswith(repr(text)[:20])
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


hosts = st.one_of(
    st.ip_addresses().map(str),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]{1,10}){0,3}", fullmatch=True),
)


@CASES
@given(host=hosts, port=st.integers(0, HIGHEST_PORT))
def test_written_addresses_are_read_back(host: str, port: int) -> None:
    address = Address(host, port)
    assert parse_host_port(str(address)) == address
    assert parse_host_port(f"{host}:{port}") == address
    assert bracket_host(host).startswith("[") == (":" in host)


@CASES
@given(address=st.ip_addresses(), text=st.text(alphabet="0123456789abcdef:.[]%", max_size=12))
def test_address_that_an_earlier_version_could_bind_has_the_same_meaning(
    address: IPv4Address | IPv6Address, text: str
) -> None:
    for written in (f"{address}:{text}", f"[{address}]:{text}"):
        host, _, port = written.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if re.fullmatch("[0-9]+", port) and int(port) <= HIGHEST_PORT and host == str(address):
            assert parse_host_port(written) == (host, int(port))


@CASES
@given(text=st.text(max_size=200) | st.text(alphabet="0123456789ab:.[]%-\x00 ", max_size=80))
def test_any_text_is_an_address_or_an_error_of_one_short_line(text: str) -> None:
    error = ""
    try:
        address = parse_host_port(text)
    except AddressError as refused:
        error = str(refused)
    else:
        assert parse_host_port(str(address)) == address
    assert error.isprintable()
    assert len(error) < 400


def test_documented_addresses_are_parsed() -> None:
    table = (REPOSITORY / "docs" / "values.md").read_text().split("| written | host | port |")[1].split("\n\n")[0]
    rows = [re.findall("`([^`]+)`", line) for line in table.splitlines()[2:]]
    assert len(rows) == 3
    for *written, host, port in rows:
        assert {parse_host_port(text) for text in written} == {Address(host, int(port))}
