"""The configuration as TOML: of one server, and of several."""

import tomllib
from pathlib import Path

from streamusage.agent.setup.plan import Plan, PlannedSource, format_config

RTMP = PlannedSource("edge-1", {"kind": "nginx-rtmp", "stat_url": "http://127.0.0.1/stat"}, Path("/k/edge-1.token"))
HLS = PlannedSource("edge-1-hls", {"kind": "hls", "access_log": '/var/log/"ä".log'}, Path("/k/hls.token"))


def test_one_server() -> None:
    plan = Plan("https://usage.example.net", [RTMP], role="origin", journal_folder=Path("/var/lib/j"))
    assert tomllib.loads(format_config(plan, Path("/etc"))) == {
        "server": "edge-1",
        "role": "origin",
        "service": {"url": "https://usage.example.net", "token_file": "/k/edge-1.token"},
        "source": {"kind": "nginx-rtmp", "stat_url": "http://127.0.0.1/stat"},
        "journal": {"path": "/var/lib/j/edge-1.journal.db"},
    }


def test_several_servers_have_a_token_and_a_journal_each() -> None:
    plan = Plan("https://usage.example.net", [RTMP, HLS], journal_folder=Path("/var/lib/j"))
    assert tomllib.loads(format_config(plan, Path("/etc"))) == {
        "service": {"url": "https://usage.example.net"},
        "source": [
            {
                "server": "edge-1",
                "token_file": "/k/edge-1.token",
                "journal": "/var/lib/j/edge-1.journal.db",
                "kind": "nginx-rtmp",
                "stat_url": "http://127.0.0.1/stat",
            },
            {
                "server": "edge-1-hls",
                "token_file": "/k/hls.token",
                "journal": "/var/lib/j/edge-1-hls.journal.db",
                "kind": "hls",
                "access_log": '/var/log/"ä".log',
            },
        ],
    }


def test_secrets_are_named_by_their_files() -> None:
    values = {"kind": "wowza", "url": "http://127.0.0.1:8087", "applications": ("live", "vod")}
    source = PlannedSource("w:1", values, Path("/k/t"), {"password_file": "s3cret"})
    text = format_config(Plan("http://u", [source]), Path("/etc/streamtop"))
    assert tomllib.loads(text)["source"]["password_file"] == "/etc/streamtop/w_1.password"
    assert tomllib.loads(text)["source"]["applications"] == ["live", "vod"]
    assert "s3cret" not in text + repr(source)
