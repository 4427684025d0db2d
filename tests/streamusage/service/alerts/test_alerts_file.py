"""The alerts file: what is read, and what a wrong one is refused with."""

from pathlib import Path

import pytest

from streamusage.service.alerts.alerts_file import read_alerts
from streamusage.service.alerts.settings import AlertsFileError

VALID = """
[sending]
name = "prod-eu"
every = "5s"
hand_over = "20s"

[[receiver]]
name = "ops"
url_env = "OPS_URL"
headers = { X-Team = "video", Authorization = { file = "FILE", prefix = "Bearer " } }

[[receiver]]
name = "am"
format = "alertmanager"
url = "https://alertmanager.example.net:9093"

[[rule]]
name = "server missing"
kind = "server-missing"
for = "10m"
servers = ["edge-*"]
severity = "critical"
receivers = ["ops"]
repeat = "never"
labels = { team = "video" }

[[rule]]
name = "keynote has no viewers"
kind = "no-viewers"
streams = ["live/keynote"]
"""
SECRET_URL = "https://hooks.example.net/services/T0/s3cret"
ENVIRONMENT = {"OPS_URL": SECRET_URL}


def write(directory: Path, content: str) -> Path:
    path, token = directory / "alerts.toml", directory / "token"
    token.write_text("t0ken\n")
    path.write_text(content.replace("FILE", str(token)))
    return path


def refusal(directory: Path, content: str) -> str:
    path = write(directory, content)
    with pytest.raises(AlertsFileError) as refused:
        read_alerts(path, ENVIRONMENT)
    message = str(refused.value)
    assert str(path) in message
    assert "s3cret" not in message
    assert "t0ken" not in message
    return message


def test_entries_become_rules_and_receivers(tmp_path: Path) -> None:
    settings = read_alerts(write(tmp_path, VALID), ENVIRONMENT)
    missing, viewers = settings.rules
    assert (missing.for_ms, missing.repeat_ms, missing.receivers) == (600_000, None, ("ops",))
    assert (viewers.for_ms, viewers.repeat_ms, viewers.receivers) == (300_000, 14_400_000, ("ops", "am"))
    assert (settings.sending.name, settings.sending.every_ms) == ("prod-eu", 5_000)
    ops = settings.receivers[0]
    assert ops.url.read("the URL", ENVIRONMENT) == SECRET_URL
    assert ops.headers["Authorization"].read("the header") == "Bearer t0ken"


def test_secrets_are_in_no_representation(tmp_path: Path) -> None:
    settings = read_alerts(write(tmp_path, VALID.replace('url_env = "OPS_URL"', f'url = "{SECRET_URL}"')))
    assert "s3cret" not in repr(settings)
    assert settings.receivers[0].host == "https://hooks.example.net"


def test_example_of_the_docs_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[4] / "docs" / "alerts.md").read_text()
    example = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "alerts.toml").write_text(example)
    environment = {"ALERTS_WEBHOOK_URL": "https://example.net/hook", "ALERTS_TOKEN": "t", "SLACK_URL": SECRET_URL}
    assert read_alerts(tmp_path / "alerts.toml", environment).rules


@pytest.mark.parametrize(
    ("wrong", "right", "text"),
    [
        ('for = "10m"', 'for = "10"', ":20: rule.for: '10' is not a duration, it has no unit"),
        ('kind = "server-missing"', 'kind = "missing"', ":19: rule.kind: unknown kind; allowed: server-missing, gap-"),
        ('servers = ["edge-*"]', 'server = "edge-1"', ":21: rule.server: unknown key; allowed: name, kind, severity"),
        ('receivers = ["ops"]', 'receivers = ["op"]', ":23: rule.receivers: no receiver 'op'; allowed: ops, am"),
        ('name = "am"', 'name = "ops"', ":13: receiver.name: 'ops' is used by an earlier receiver"),
        ('streams = ["live/keynote"]', "", ":27: rule.streams: required key is missing: which streams matter"),
        ('streams = ["live/keynote"]', 'streams = ["keynote"]', ":30: rule.streams: 'keynote' is no stream"),
        ('kind = "no-viewers"', 'kind = "no-publisher"\nservers = ["a"]', ":30: rule.servers: only for the kinds"),
        ('labels = { team = "video" }', 'labels = { server = "x" }', ":25: rule.labels: server is a label of the"),
        ('url_env = "OPS_URL"', 'url_env = "NO_URL"', ":9: receiver.url_env: environment variable NO_URL (the URL of"),
        ('url_env = "OPS_URL"', 'url = "ftp://s3cret"', ":9: receiver.url: not an HTTP URL; expected http://HOST"),
        ('url_env = "OPS_URL"', "", ":7: receiver: give exactly one of url, url_env (a variable's name) and url_file"),
        ('every = "5s"', 'every = "15s"', ":5: sending.hand_over: it must be at least three times `every`"),
        ('severity = "critical"', 'severity = "bad"', ":22: rule.severity: Input should be 'info', 'warning' or"),
        ('"video", Auth', '"\\u0007", Auth', ":10: receiver.headers: the value of X-Team must be printable ASCII"),
    ],
)
def test_problem_has_line_and_key(tmp_path: Path, wrong: str, right: str, text: str) -> None:
    assert wrong in VALID
    assert f"alerts.toml{text}" in refusal(tmp_path, VALID.replace(wrong, right, 1))


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, VALID.replace('for = "10m"', 'for = "x"').replace("no-viewers", "unwatched"))
    assert "rule.for" in message
    assert "rule.kind" in message


@pytest.mark.parametrize("content", ["", "[[receiver]]\nname = 's3cret", "[[rule]]\nname = 'x'\nkind = 's3cret\x00"])
def test_file_without_rules_or_without_toml_is_refused(tmp_path: Path, content: str) -> None:
    assert refusal(tmp_path, content)


def test_a_pattern_cannot_name_a_stream_that_is_not_there(tmp_path: Path) -> None:
    message = refusal(tmp_path, VALID.replace('"no-viewers"', '"no-publisher"').replace("live/keynote", "live/*"))
    assert "'live/*' is a pattern; a stream that is not there needs its whole name" in message


def test_missing_file_is_an_error_with_its_cause(tmp_path: Path) -> None:
    with pytest.raises(AlertsFileError, match="No such file"):
        read_alerts(tmp_path / "alerts.toml")
