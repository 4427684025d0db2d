"""Options that are an address or a duration."""

import click
import pytest

from streamusage.agent.cli import agent
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpConfig
from streamusage.command_options import Duration, HostPort
from streamusage.service.cli import serve


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:5080", ("127.0.0.1", 5080)),
        ("[::1]:5080", ("::1", 5080)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_host_and_port_are_parsed(text: str, wanted: tuple[str, int]) -> None:
    assert HostPort().convert(text, None, None) == wanted


@pytest.mark.parametrize("text", ["", ":80", "host", "host:", "host:x", "host:65536", "host:-1", "host:١"])
def test_invalid_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as"):
        HostPort().convert(text, None, None)


@pytest.mark.parametrize("text", ["[::1]:0", "::1:0", "localhost:0"])
def test_listen_address_of_callbacks_is_read_alike(text: str) -> None:
    source = {"kind": "nginx-rtmp", "stat_url": "http://127.0.0.1/stat", "notify_listen": text}
    assert NginxRtmpConfig.model_validate(source).notify_listen == HostPort().convert(text, None, None)


def test_service_and_agent_use_the_same_type() -> None:
    kinds = {parameter.name: parameter.type for command in (serve, agent) for parameter in command.params}
    assert isinstance(kinds["listen"], HostPort)
    assert isinstance(kinds["metrics"], HostPort)


@pytest.mark.parametrize(
    ("option", "text", "length_ms"),
    [
        ("edge_timeout", "60", 60_000),
        ("edge_timeout", "1.5m", 90_000),
        ("usage_stats_discard_threshold_days", "7", 604_800_000),
        ("usage_stats_discard_threshold_days", "2w", 1_209_600_000),
        ("daily_statistics_days", "48h", 172_800_000),
        ("hour_statistics_days", "10w", 6_048_000_000),
        ("minute_statistics_days", "90", 7_776_000_000),
        ("close_grace", "1h30m", 5_400_000),
        ("close_settle", "500ms", 500),
    ],
)
def test_options_of_the_service_are_durations(option: str, text: str, length_ms: int) -> None:
    [kind] = [parameter.type for parameter in serve.params if parameter.name == option]
    assert kind.convert(text, None, None) == length_ms


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("edge_timeout", "0", "'0' is out of range; expected a duration from 1s to 24h"),
        (
            "edge_timeout",
            "soon",
            "'soon' is not a duration; .* such as 500ms, 90s, 1h30m or 2w, or a number of seconds",
        ),
        (
            "usage_stats_discard_threshold_days",
            "36h",
            "'36h' is out of range; expected whole days, such as 7d",
        ),
        ("daily_statistics_days", "36501", "'36501' is out of range; expected a duration from 1d to 36500d"),
        ("minute_statistics_days", "40", "'40' is out of range; expected a duration from 41d to 36500d"),
        ("close_grace", "2", "'2' is not a duration, it has no unit"),
    ],
)
def test_other_durations_are_refused(option: str, text: str, message: str) -> None:
    [kind] = [parameter.type for parameter in serve.params if parameter.name == option]
    assert isinstance(kind, Duration)
    with pytest.raises(click.BadParameter, match=message):
        kind.convert(text, None, None)
