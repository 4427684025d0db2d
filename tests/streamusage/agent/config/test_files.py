"""The agent's configuration: what is documented is taken, every fault is told with file, line and key."""

from pathlib import Path

import pytest

from streamusage.agent.config.files import AgentConfig, ConfigError, load_units
from streamusage.agent.config.sources import NginxRtmpConfig, parse_duration_ms

DOCUMENTED = """\
server = "edge-1"
role = "standalone"                 # origin | edge | standalone

[service]
url = "http://127.0.0.1:5080"
token_env = "STREAMTOP_AGENT_TOKEN"
sync_interval = "10s"

[source]
kind = "nginx-rtmp"
stat_url = "http://127.0.0.1:18080/stat"
access_log = "/path/rtmp_access.log"   # optional, makes ended sessions exact
poll_interval = "1s"

[journal]
path = "/path/journal.db"
"""


def units(directory: Path, text: str) -> tuple[AgentConfig, ...]:
    path = directory / "agent.toml"
    path.write_text(text)
    return load_units(path)


def load(directory: Path, text: str) -> AgentConfig:
    (unit,) = units(directory, text)
    return unit


def test_the_documented_file(tmp_path: Path) -> None:
    config = load(tmp_path, DOCUMENTED)
    assert (config.server, config.role) == ("edge-1", "standalone")
    assert config.service.url == "http://127.0.0.1:5080"
    assert config.service.token_env == "STREAMTOP_AGENT_TOKEN"
    assert config.service.sync_interval_ms == 10_000
    assert isinstance(config.source, NginxRtmpConfig)
    assert config.source.access_log == Path("/path/rtmp_access.log")
    assert config.source.poll_interval_ms == 1000
    assert config.journal_path == Path("/path/journal.db")


def test_what_may_be_left_out(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        'server="edge-1"\nsource={kind="nginx-rtmp", stat_url="http://h/stat"}\n'
        'service={url="https://h/usage/", token_file="~/token"}',
    )
    assert config.service.url == "https://h/usage"
    assert config.service.token_file == Path.home() / "token"
    assert config.source.access_log is None
    assert config.journal_path.name == "edge-1.journal.db"


@pytest.mark.parametrize(
    ("text", "millis"), [("500ms", 500), ("10s", 10_000), ("1m", 60_000), ("1.5m", 90_000), ("2h", 7_200_000)]
)
def test_durations(text: str, millis: int) -> None:
    assert parse_duration_ms(text) == millis


@pytest.mark.parametrize("text", ["", "10", 10, "10 s", "-1s", "1d", "1e3s", "٣s", None])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="written as"):
        parse_duration_ms(text)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('role = "standalone"', 'role = "middle"', "agent.toml:2: role: "),
        (
            'sync_interval = "10s"',
            'sync_intervall = "10s"',
            "agent.toml:7: service.sync_intervall: there is no such key",
        ),
        ('sync_interval = "10s"', 'sync_interval = "ten"', "agent.toml:7: service.sync_interval: a duration"),
        ('poll_interval = "1s"', 'poll_interval = "0ms"', "agent.toml:13: source.poll_interval: it must be from"),
        ('kind = "nginx-rtmp"', 'kind = "flash"', "agent.toml:10: source.kind: this kind is not known"),
        ('kind = "nginx-rtmp"\n', "", "agent.toml:9: source.kind: it needs"),
        ('url = "http://127.0.0.1:5080"\n', "", "agent.toml:4: service.url: it is missing"),
        ("http://127.0.0.1:5080", "ftp://h", "agent.toml:5: service.url: a URL begins with"),
        ("http://127.0.0.1:5080", "http://h?accessToken=x", "agent.toml:5: service.url: the service's URL has no"),
        (
            'sync_interval = "10s"',
            'proxy = "http://u:p4ss@h:3128"',
            "agent.toml:7: service.proxy: the proxy's URL has no user",
        ),
        ('token_env = "STREAMTOP_AGENT_TOKEN"\n', "", "agent.toml:4: service: give exactly one of"),
        ('server = "edge-1"', 'server = "../x"', "agent.toml:1: server: "),
        ('server = "edge-1"\n', "", "agent.toml: server: it is missing"),
        ('server = "edge-1"', "server = ", "agent.toml: this is not TOML: "),
    ],
)
def test_a_fault_names_file_line_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert_told(tmp_path, DOCUMENTED, old, new, said)


def assert_told(directory: Path, text: str, old: str, new: str, said: str) -> None:
    """A file with one thing changed is refused with these words, and never with a password."""
    assert old in text
    with pytest.raises(ConfigError) as refused:
        units(directory, text.replace(old, new))
    assert str(refused.value).startswith(str(directory))
    assert said in str(refused.value)
    assert "p4ss" not in str(refused.value)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = DOCUMENTED.replace("standalone", "x").replace("1s", "x").replace("[journal]", "[journall]")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert len(str(refused.value).splitlines()) == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_units(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_units(tmp_path)


SEVERAL = """\
[service]
url = "http://127.0.0.1:5080"
token_env = "SHARED"
sync_interval = "10s"

[[source]]
server = "edge-1"
role = "edge"
token_file = "/path/token"
journal = "/path/one.db"
kind = "icecast"
url = "http://127.0.0.1:8000"
password_env = "ICECAST"

[[source]]
server = "edge-2"
kind = "hls"
access_log = "/path/hls.log"
"""


def test_several_sources_are_as_many_units(tmp_path: Path) -> None:
    one, two = units(tmp_path, SEVERAL)
    assert (one.server, one.role, one.source.kind, one.journal_path) == (
        "edge-1",
        "edge",
        "icecast",
        Path("/path/one.db"),
    )
    assert (one.service.token_file, one.service.token_env) == (Path("/path/token"), None)
    assert (two.server, two.role, two.source.kind, two.service.token_env) == ("edge-2", "standalone", "hls", "SHARED")
    assert one.service.sync_interval_ms == two.service.sync_interval_ms == 10_000
    assert two.journal_path.name == "edge-2.journal.db"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'server = "edge-2"',
            'server = "edge-1"',
            "agent.toml:16: source.server: each source needs a server of its own",
        ),
        ('kind = "hls"', 'kind = "hls"\njournal = "/path/one.db"', "agent.toml:18: source.journal: each source needs"),
        ('kind = "hls"', 'kind = "flash"', "agent.toml:17: source.kind: this kind is not known"),
        ('access_log = "/path/hls.log"', "", "agent.toml:15: source.access_log: it is missing"),
        ('role = "edge"', 'role = "middle"', "agent.toml:8: source.role: "),
        (
            'password_env = "ICECAST"',
            'pasword_env = "ICECAST"',
            "agent.toml:13: source.pasword_env: there is no such key",
        ),
        ('token_env = "SHARED"\n', "", "agent.toml:1: service: give exactly one of"),
        ("[service]", 'server = "x"\n[service]', "agent.toml:1: server: with several [[source]] tables it stands in"),
        ('server = "edge-2"\n', "", "agent.toml:15: source.server: it is missing"),
        ('"http://127.0.0.1:8000"', '"http://u:p4ss@h"', "agent.toml:12: source.url: it has no user"),
    ],
)
def test_a_fault_in_one_of_several_sources_names_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert_told(tmp_path, SEVERAL, old, new, said)
