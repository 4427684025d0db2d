"""Addresses in the forms of media servers and logs."""

from ipaddress import ip_network

import pytest

from streamusage.agent.sources.common.networks import client_address, is_in, parse_address

OWN = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "[::1", "1.2.3.4.5", ":", "::1]:80", "1.2.3.4/8"])
def test_any_text_is_parsed_without_error(text: str) -> None:
    parse_address(text)


@pytest.mark.parametrize(
    ("text", "is_inside"),
    [
        ("192.0.2.10", True),
        ("192.0.2.10:5123", True),
        ("::ffff:192.0.2.10", True),
        ("[2001:db8::1]:5123", True),
        ("198.51.100.7", False),
        ("2001:db9::1", False),
        ("unix:", False),
    ],
)
def test_networks_contain_addresses_in_every_form(text: str, is_inside: bool) -> None:
    assert is_in(text, [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]) is is_inside


@pytest.mark.parametrize(
    ("addresses", "client"),
    [
        (("198.51.100.7",), "198.51.100.7"),
        (("192.0.2.66", "203.0.113.7", "10.0.0.4"), "203.0.113.7"),
        (("192.0.2.66", "203.0.113.7", "10.1.0.4", "10.0.0.4"), "203.0.113.7"),
        (("203.0.113.7", "198.51.100.9"), "198.51.100.9"),
        (("203.0.113.7", "::ffff:10.0.0.4"), "203.0.113.7"),
        (("2001:db8::7", "2001:db8:ffff::1"), "2001:db8::7"),
        (("203.0.113.7", "unix:"), "203.0.113.7"),
        (("unix:",), "unix:"),
        (("10.0.0.9", "10.0.0.4"), "10.0.0.9"),
        (("192.0.2.66", "unknown", "10.0.0.4"), "unknown"),
        ((), ""),
    ],
)
def test_last_address_that_is_no_trusted_proxy_is_the_client(addresses, client):
    assert client_address(addresses, OWN) == client


def test_without_trusted_proxies_the_peer_is_the_client():
    assert client_address(("192.0.2.66", "203.0.113.7"), ()) == "203.0.113.7"
