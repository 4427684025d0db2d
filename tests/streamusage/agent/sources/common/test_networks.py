"""Addresses in the forms of media servers and logs."""

from ipaddress import ip_network

import pytest

from streamusage.agent.sources.common.networks import is_in, parse_address


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
