"""Whether a proxy is named whose address can be wrong."""

import pytest

from streamusage.client.http_options import HttpOptions, has_proxy


@pytest.mark.parametrize(
    ("options", "environment", "named"),
    [
        (HttpOptions(), {}, False),
        (HttpOptions(proxy="http://proxy:3128"), {}, True),
        (HttpOptions(), {"HTTPS_PROXY": "http://proxy:3128"}, True),
        (HttpOptions(), {"all_proxy": "socks5://proxy"}, True),
        (HttpOptions(), {"HTTPS_PROXY": "", "NO_PROXY": "*"}, False),
        (HttpOptions(uses_environment=False), {"HTTPS_PROXY": "http://proxy:3128"}, False),
    ],
)
def test_proxy_is_named_by_the_options_or_the_environment(
    options: HttpOptions, environment: dict[str, str], named: bool
) -> None:
    assert has_proxy(options, environment) is named
