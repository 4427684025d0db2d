"""The proxy of a request: settings, environment and `NO_PROXY`, with networks."""

import pytest

from streamusage.client.http_options import HttpOptions
from streamusage.client.network.proxies import chosen_proxy, proxy_name

PROXY = "http://proxy.example.net:3128"


@pytest.mark.parametrize(
    ("no_proxy", "host", "excepted"),
    [
        ("", "sm.example.net", False),
        ("*", "sm.example.net", True),
        ("sm.example.net", "sm.example.net", True),
        ("example.net", "sm.example.net", True),
        (".example.net", "sm.example.net", True),
        (".example.net", "example.net", True),
        ("*.example.net", "sm.example.net", True),
        ("EXAMPLE.net", "sm.Example.NET", True),
        ("ample.net", "sm.example.net", False),
        ("sm.example.net.", "sm.example.net", True),
        ("a, example.net b", "sm.example.net", True),
        ("sm.example.net:5080", "sm.example.net:5080", True),
        ("sm.example.net:5080", "sm.example.net:5081", False),
        ("sm.example.net:80", "sm.example.net", True),
        ("10.1.2.3", "10.1.2.3:5080", True),
        ("10.1.2.3", "10.1.2.4:5080", False),
        ("10.0.0.0/8", "10.1.2.3:5080", True),
        ("10.0.0.0/8", "11.1.2.3:5080", False),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("10.0.0.0/255.0.0.0", "10.9.9.9", True),
        ("10.0.0.0/8", "10.example.net", False),
        ("fd00::/8", "[fd12::1]:5080", True),
        ("fd00::/8", "[fe80::1]", False),
        ("[::1]", "[::1]:5080", True),
        ("[::1]:5080", "[::1]:5080", True),
        ("[::1]:5080", "[::1]:5081", False),
        ("127.0.0.0/8", "localhost:5080", True),
        ("127.0.0.1", "localhost", True),
        ("localhost", "localhost:5080", True),
        ("localhost", "127.0.0.1", False),
        ("3", "10.1.2.3", False),
        ("http://sm.example.net", "sm.example.net", True),
        ("10.0.0.0/99", "10.1.2.3", False),
        (",,  ,", "10.1.2.3", False),
    ],
)
def test_no_proxy_excepts_hosts_addresses_and_networks(no_proxy: str, host: str, excepted: bool) -> None:
    environment = {"HTTP_PROXY": PROXY, "NO_PROXY": no_proxy}
    assert chosen_proxy("http", host, HttpOptions(), environment) == ("" if excepted else PROXY)
    assert chosen_proxy("http", host, HttpOptions(proxy="http://other"), environment) == "http://other"


@pytest.mark.parametrize(
    ("environment", "scheme", "proxy"),
    [
        ({}, "http", ""),
        ({"HTTP_PROXY": PROXY}, "http", PROXY),
        ({"HTTP_PROXY": PROXY}, "https", ""),
        ({"HTTPS_PROXY": PROXY}, "https", PROXY),
        ({"ALL_PROXY": PROXY}, "https", PROXY),
        ({"HTTP_PROXY": PROXY, "http_proxy": "http://lower"}, "http", "http://lower"),
        ({"HTTP_PROXY": "", "ALL_PROXY": PROXY}, "http", PROXY),
        ({"HTTP_PROXY": "proxy:3128"}, "http", "http://proxy:3128"),
        ({"HTTP_PROXY": PROXY, "no_proxy": "sm"}, "http", ""),
    ],
)
def test_proxy_of_the_environment(environment: dict[str, str], scheme: str, proxy: str) -> None:
    assert chosen_proxy(scheme, "sm", HttpOptions(), environment) == proxy
    assert chosen_proxy(scheme, "sm", HttpOptions(uses_environment=False), environment) == ""


def test_name_of_a_proxy_has_no_login() -> None:
    assert proxy_name("http://porter:s3cret@proxy:3128/x") == "http://proxy:3128"
    assert proxy_name("") == ""
