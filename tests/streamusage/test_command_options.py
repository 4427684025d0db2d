"""HOST:PORT options of the service and the agent."""

import click
import pytest

from streamusage.agent.cli import agent
from streamusage.command_options import HostPort
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


def test_service_and_agent_use_the_same_type() -> None:
    kinds = {parameter.name: parameter.type for command in (serve, agent) for parameter in command.params}
    assert isinstance(kinds["listen"], HostPort)
    assert isinstance(kinds["metrics"], HostPort)
