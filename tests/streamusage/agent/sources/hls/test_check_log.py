"""`agent check --log`: what is printed of a log, and the exit code."""

import gzip
from pathlib import Path

from tests.support.agent.agent_command import run_agent_command
from tests.support.agent.hls_log import hls_line

LINES = [
    hls_line(0, "/hls/s1.m3u8?token=SECRET"),
    *(hls_line(second, f"/hls/s1-{second // 4}.ts?token=SECRET", 1000) for second in range(0, 40, 4)),
    hls_line(8, "/hls/s1-2.ts", method="HEAD", ip="192.0.2.9", agent="UptimeRobot/2"),
    hls_line(8, "/hls/s1-2.ts", status=404, ip="192.0.2.8"),
    hls_line(8, "/hls/s1-2.ts", 1000, agent="Amazon CloudFront", ip="192.0.2.10"),
    hls_line(9, "/index.html?key=SECRET"),
    b"\x1b[2J what is this?",
]


def write_log(path: Path) -> Path:
    data = b"".join(line + b"\n" for line in LINES)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_log_is_described_with_streams_and_reasons(tmp_path: Path) -> None:
    result = run_agent_command("check", "--log", str(write_log(tmp_path / "a.log")))
    assert result.returncode == 0
    text = result.stdout
    assert "16 lines, 2026-11-18 11:06:40 UTC" in text
    assert "format   streamtop" in text
    assert "hls/s1: connections 1, view time 36.0 s, bytes out 11300" in text
    assert "1 playlists" in text
    assert "1 HEAD and other methods" in text
    assert "1 not answered with 200, 206 or 304" in text
    assert "1 caches of a content delivery network" in text
    assert "1 files of no stream" in text
    assert "1 lines that cannot be read" in text
    assert "viewers are inferred, lower bound: 10 of 10 requests have no session id" in text


def test_examples_contain_neither_secrets_nor_control_characters(tmp_path: Path) -> None:
    text = run_agent_command("check", "--log", str(write_log(tmp_path / "a.log"))).stdout
    assert "SECRET" not in text
    assert "\x1b" not in text
    assert "example: GET /hls/s1.m3u8?… 200" in text


def test_compressed_log_is_read(tmp_path: Path) -> None:
    plain = run_agent_command("check", "--log", str(write_log(tmp_path / "a.log"))).stdout
    compressed = run_agent_command("check", "--log", str(write_log(tmp_path / "a.log.1.gz"))).stdout
    assert compressed.splitlines()[1:] == plain.splitlines()[1:]


def test_rules_of_the_configuration_are_used(tmp_path: Path) -> None:
    log = write_log(tmp_path / "a.log")
    config = tmp_path / "agent.toml"
    config.write_text(
        'server = "edge-1"\n[service]\nurl = "http://127.0.0.1:9"\ntoken_env = "TOKEN"\n'
        f'[source]\nkind = "hls"\naccess_log = "{log}"\nscope = "live"\nignore = ["agent:uptimerobot", "10.0.0.0/24"]\n'
    )
    text = run_agent_command("check", "--log", str(log), "--config", str(config)).stdout
    assert "live/s1: connections 0" in text
    assert "12 clients in `ignore`" in text
    assert "nobody watches in this log" in text


def test_log_of_which_no_line_can_be_read_fails(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("2026/11/21 10:11:12 [notice] 31#31: start worker process 32\n" * 3)
    result = run_agent_command("check", "--log", str(log))
    assert result.returncode == 1
    assert "unknown: no line can be read" in result.stdout
    assert "log_format streamtop" in result.stdout


def test_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    truncated = tmp_path / "a.gz"
    truncated.write_bytes(gzip.compress(b"x" * 1000)[:20])
    for path in (tmp_path / "none.log", truncated, tmp_path):
        result = run_agent_command("check", "--log", str(path))
        assert result.returncode != 0
        assert "Traceback" not in result.stderr
