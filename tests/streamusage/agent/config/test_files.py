"""The agent's configuration file: documented files are accepted, each problem is reported with file, line and key."""

from pathlib import Path

import pytest

from streamusage.agent.config.files import AgentConfig, ConfigError, load_agent_configs
from streamusage.agent.sources import SOURCE_MODELS
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpConfig

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


def load_text(directory: Path, text: str) -> tuple[AgentConfig, ...]:
    path = directory / "agent.toml"
    path.write_text(text)
    return load_agent_configs(path, SOURCE_MODELS)


def load_single(directory: Path, text: str) -> AgentConfig:
    (config,) = load_text(directory, text)
    return config


def test_documented_file_is_loaded(tmp_path: Path) -> None:
    config = load_single(tmp_path, DOCUMENTED)
    assert (config.server, config.role) == ("edge-1", "standalone")
    assert config.service.url == "http://127.0.0.1:5080"
    assert config.service.token_env == "STREAMTOP_AGENT_TOKEN"
    assert config.service.sync_interval_ms == 10_000
    assert isinstance(config.source, NginxRtmpConfig)
    assert config.source.access_log == Path("/path/rtmp_access.log")
    assert config.source.poll_interval_ms == 1000
    assert config.journal_path == Path("/path/journal.db")


def test_defaults_of_optional_keys(tmp_path: Path) -> None:
    config = load_single(
        tmp_path,
        'server="edge-1"\nsource={kind="nginx-rtmp", stat_url="http://h/stat"}\n'
        'service={url="https://h/usage/", token_file="~/token"}',
    )
    assert config.service.url == "https://h/usage"
    assert config.service.token_file == Path.home() / "token"
    assert isinstance(config.source, NginxRtmpConfig)
    assert config.source.access_log is None
    assert config.journal_path.name == "edge-1.journal.db"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('role = "standalone"', 'role = "middle"', "agent.toml:2: role: "),
        (
            'sync_interval = "10s"',
            'sync_intervall = "10s"',
            "agent.toml:7: service.sync_intervall: unknown key; "
            "allowed: url, token_env, token_file, ca_file, proxy, sync_interval, timeout",
        ),
        (
            'sync_interval = "10s"',
            'sync_interval = "ten"',
            "agent.toml:7: service.sync_interval: 'ten' is not a duration; expected",
        ),
        (
            'poll_interval = "1s"',
            'poll_interval = "0ms"',
            "agent.toml:13: source.poll_interval: '0ms' is out of range; expected a duration from 100ms to 1m",
        ),
        (
            'poll_interval = "1s"',
            'notify_listen = "9090"',
            "agent.toml:13: source.notify_listen: '9090' is not HOST:PORT; expected a host and a port from 0 to 65535",
        ),
        (
            'kind = "nginx-rtmp"',
            'kind = "flash"',
            "agent.toml:10: source.kind: unknown kind; allowed: nginx-rtmp, icecast",
        ),
        (
            'kind = "nginx-rtmp"\n',
            "",
            "agent.toml:9: source.kind: required key is missing; allowed: nginx-rtmp, icecast",
        ),
        ('url = "http://127.0.0.1:5080"\n', "", "agent.toml:4: service.url: required key is missing"),
        ("http://127.0.0.1:5080", "ftp://h", "agent.toml:5: service.url: not an HTTP URL; expected http://"),
        (
            "http://127.0.0.1:5080",
            "http://h?accessToken=x",
            "agent.toml:5: service.url: a user, password or query is not allowed",
        ),
        (
            'sync_interval = "10s"',
            'proxy = "http://u:p4ss@h:3128"',
            "agent.toml:7: service.proxy: a user, password or query is not allowed",
        ),
        ('token_env = "STREAMTOP_AGENT_TOKEN"\n', "", "agent.toml:4: service: set exactly one of"),
        ('server = "edge-1"', 'server = "../x"', "agent.toml:1: server: "),
        ('server = "edge-1"\n', "", "agent.toml: server: required key is missing"),
        ('server = "edge-1"', "server = ", "agent.toml: not valid TOML: "),
    ],
)
def test_problem_is_reported_with_file_line_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert_refused(tmp_path, DOCUMENTED, old, new, message)


def assert_refused(directory: Path, text: str, old: str, new: str, message: str) -> None:
    """Load a file with one change: the error has the message and no password."""
    assert old in text
    with pytest.raises(ConfigError) as refused:
        load_text(directory, text.replace(old, new))
    assert str(refused.value).startswith(str(directory))
    assert message in str(refused.value)
    assert "p4ss" not in str(refused.value)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = DOCUMENTED.replace("standalone", "x").replace("1s", "x").replace("[journal]", "[journall]")
    with pytest.raises(ConfigError) as refused:
        load_single(tmp_path, text)
    assert len(str(refused.value).splitlines()) == 3


def test_missing_file_and_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_agent_configs(tmp_path / "nfirst.toml", SOURCE_MODELS)
    with pytest.raises(ConfigError, match="cannot read the file"):
        load_agent_configs(tmp_path, SOURCE_MODELS)


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


def test_each_source_table_is_a_configuration(tmp_path: Path) -> None:
    first, second = load_text(tmp_path, SEVERAL)
    assert (first.server, first.role, first.source.kind, first.journal_path) == (
        "edge-1",
        "edge",
        "icecast",
        Path("/path/one.db"),
    )
    assert (first.service.token_file, first.service.token_env) == (Path("/path/token"), None)
    assert (second.server, second.role, second.source.kind, second.service.token_env) == (
        "edge-2",
        "standalone",
        "hls",
        "SHARED",
    )
    assert first.service.sync_interval_ms == second.service.sync_interval_ms == 10_000
    assert second.journal_path.name == "edge-2.journal.db"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'server = "edge-2"',
            'server = "edge-1"',
            "agent.toml:16: source.server: used by another source; each source needs its own server",
        ),
        (
            'kind = "hls"',
            'kind = "hls"\njournal = "/path/one.db"',
            "agent.toml:18: source.journal: used by another source; each source needs its own journal",
        ),
        ('kind = "hls"', 'kind = "flash"', "agent.toml:17: source.kind: unknown kind; allowed: nginx-rtmp, icecast"),
        ('access_log = "/path/hls.log"', "", "agent.toml:15: source.access_log: required key is missing"),
        ('role = "edge"', 'role = "middle"', "agent.toml:8: source.role: "),
        (
            'password_env = "ICECAST"',
            'pasword_env = "ICECAST"',
            "agent.toml:13: source.pasword_env: unknown key; allowed: server, role, journal, token_env, token_file, "
            "kind, poll_interval, timeout, ca_file, ignore, user, password_env, password_file, url, access_log",
        ),
        ('token_env = "SHARED"\n', "", "agent.toml:1: service: set exactly one of"),
        (
            "[service]",
            'server = "x"\n[service]',
            "agent.toml:1: server: not allowed here; a file with several [[source]] tables",
        ),
        ('server = "edge-2"\n', "", "agent.toml:15: source.server: required key is missing"),
        (
            '"http://127.0.0.1:8000"',
            '"http://u:p4ss@h"',
            "agent.toml:12: source.url: a user, password or query is not allowed",
        ),
    ],
)
def test_problem_in_one_of_several_sources_is_reported_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert_refused(tmp_path, SEVERAL, old, new, message)
