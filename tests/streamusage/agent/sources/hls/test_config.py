"""The configuration of HLS viewers: what is accepted, and what each wrong value is answered with."""

from pathlib import Path

import pytest

from streamusage.agent.config.files import AgentConfig, ConfigError, load_agent_configs
from streamusage.agent.sources import SOURCE_MODELS
from streamusage.agent.sources.hls.config import HlsConfig
from streamusage.agent.sources.hls.source import SOURCE
from tests.support.agent.hls_log import fold_lines, hls_line


def load(directory: Path, settings: str, above: str = "") -> AgentConfig:
    path = directory / "agent.toml"
    path.write_text(
        f'server = "edge-1"\n{above}\n[service]\nurl = "http://127.0.0.1:5080"\ntoken_env = "TOKEN"\n'
        f'[source]\nkind = "hls"\naccess_log = "/path/hls.log"\n{settings}\n'
    )
    (config,) = load_agent_configs(path, SOURCE_MODELS)
    return config


def test_configuration_of_an_earlier_version_is_accepted(tmp_path: Path) -> None:
    config = load(tmp_path, 'idle_after = "10s"').source
    assert isinstance(config, HlsConfig)
    assert (config.idle_after_ms, config.layout, config.log_format) == (10_000, "auto", "auto")


def test_all_settings_are_accepted(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        'layout = "wowza"\nlog_format = "combined"\nscope = "live"\n'
        'trusted_proxy = ["10.0.0.0/8", "::1"]\nignore = ["192.0.2.1", "agent:UptimeRobot*"]',
    ).source
    assert isinstance(config, HlsConfig)
    assert config.trusted_proxy == ("10.0.0.0/8", "::1")


def test_single_text_is_a_list_of_one(tmp_path: Path) -> None:
    config = load(tmp_path, 'trusted_proxy = "10.0.0.4"\nignore = "agent:monitor"').source
    assert isinstance(config, HlsConfig)
    assert (config.trusted_proxy, config.ignore.rules) == (("10.0.0.4",), ("agent:monitor",))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ('layout = "nginx"', "source.layout: unknown layout; allowed: auto, nginx-rtmp"),
        ('pattern = "/(?P<name>.+)+"', "source.pattern: not usable: a group must not be repeated"),
        ('pattern = "/(.+)"', "source.pattern: not usable: without a group for the stream's name"),
        ('layout = "wowza"\npattern = "/(?P<name>.+)"', "set layout or pattern, not both"),
        ('trusted_proxy = ["proxy.example"]', "'proxy.example' is no address or network"),
        ('ignore = ["agent:*"]', "would ignore every viewer"),
        ('ignore = ["UptimeRobot"]', "is no rule of `ignore`; expected an address"),
        ('log_format = "apache9"', "source.log_format: "),
        ('trusted_proxies = ["10.0.0.4"]', "source.trusted_proxies: unknown key; allowed: "),
    ],
)
def test_wrong_setting_is_named(tmp_path: Path, setting: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, setting)
    assert problem in str(refused.value)


def test_role_is_edge_unless_configured(tmp_path: Path) -> None:
    assert load(tmp_path, "").reported_role == "edge"
    assert load(tmp_path, "", 'role = "standalone"').reported_role == "standalone"


def test_scope_replaces_the_folders() -> None:
    rules = HlsConfig(kind="hls", access_log=Path("x.log"), scope="live").request_rules()
    assert SOURCE.config is HlsConfig
    file = rules.find_file("/hls/s1_720p-4.ts")
    assert file is not None
    assert file.stream == ("live", "s1")


def test_pattern_replaces_the_layout() -> None:
    line = hls_line(0, "/x/s1-low/12.ts")
    assert fold_lines(line, pattern=r"/x/(?P<name>[^/]+)/\d+[.]ts").connections == 1
    assert fold_lines(line, pattern=r"/y/(?P<name>[^/]+)/\d+[.]ts").connections == 0
