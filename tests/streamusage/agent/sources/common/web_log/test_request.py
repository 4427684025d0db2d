"""The address of the client, of several in a request."""

from ipaddress import ip_network

import pytest

from streamusage.agent.sources.common.web_log.request import client_address

OWN = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


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
