"""Plain addresses are read as httpx reads them; every other one is left to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.client.addresses import ServiceAddress, parse_plain
from streamusage.client.errors import InvalidAddressError
from streamusage.client.http_exchange import parse_address

HOSTS = st.one_of(
    st.sampled_from(["localhost", "sm.example.net", "a", "10.0.0.1", "256.1.1.1", "01.2.3.4", "1.2.3", "[::1]", "a_b"]),
    st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True),
)
PORTS = st.one_of(st.just(""), st.from_regex(r":[0-9]{1,5}", fullmatch=True))
PATHS = st.one_of(st.just(""), st.from_regex(r"(/[A-Za-z0-9._%~-]{0,4}){1,3}", fullmatch=True))
SCHEMES = st.sampled_from(["http://", "https://", "HTTP://", "ftp://"])
ADDRESSES = st.builds(lambda *parts: "".join(parts), SCHEMES, HOSTS, PORTS, PATHS)


@given(st.one_of(ADDRESSES, st.text(max_size=20)))
def test_plain_address_is_what_httpx_reads(text: str) -> None:
    plain = parse_plain(text)
    if plain is not None:
        assert plain == parse_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:5080", ServiceAddress("http://127.0.0.1:5080", "http", "127.0.0.1:5080")),
        (" https://sm.example.net/ ", ServiceAddress("https://sm.example.net", "https", "sm.example.net")),
        ("http://sm:80/a/b", ServiceAddress("http://sm/a/b", "http", "sm")),
        ("https://sm:80", ServiceAddress("https://sm:80", "https", "sm:80")),
    ],
)
def test_usual_addresses_are_plain(text: str, address: ServiceAddress) -> None:
    assert parse_plain(text) == address


@pytest.mark.parametrize("text", ["", "sm:5080", "http://", "http://me:pw@sm", "http://sm?x"])
def test_wrong_addresses_are_refused_by_httpx(text: str) -> None:
    assert parse_plain(text) is None
    with pytest.raises(InvalidAddressError):
        parse_address(text)
