"""`streamtop agent init` as a process: what it asks, writes, keeps and prints."""

import stat
import tomllib
from pathlib import Path

from streamusage.agent.config.files import load_agent_configs
from streamusage.agent.sources import SOURCE_MODELS
from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT
from tests.support.program import Program

NGINX = f"""
rtmp {{ log_format streamtop '{LOG_FORMAT}'; access_log HOME/rtmp.log streamtop; server {{ application live {{ }} }} }}
http {{ server {{ listen 127.0.0.1:1; location /stat {{ rtmp_stat all; }} }} }}
"""
ICECAST = """<icecast><authentication><admin-password>s3cret</admin-password></authentication>
<listen-socket><port>1</port><bind-address>127.0.0.1</bind-address></listen-socket></icecast>"""


def write_nginx(home: Path, text: str = NGINX) -> None:
    (home / "nginx.conf").write_text(text.replace("HOME", str(home)))
    (home / "rtmp.log").touch()


async def test_nginx_by_options(streamtop: Program) -> None:
    write_nginx(streamtop.home)
    options = ("--media-config", "nginx.conf", "--server", "edge-1", "--role", "origin", "--journal-dir", "journals")
    ended = await streamtop("agent", "init", "--yes", *options)
    assert ended.code == 1  # nginx does not run
    assert f"statistics: http://127.0.0.1:1/stat\n  RTMP log: {streamtop.home}/rtmp.log" in ended.out
    assert "FAILED  edge-1: request to http://127.0.0.1:1/stat failed" in ended.out
    path = streamtop.home / "agent.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (unit,) = load_agent_configs(path, SOURCE_MODELS)
    assert (unit.server, unit.role, unit.service.url) == ("edge-1", "origin", "http://127.0.0.1:5080")
    assert unit.journal_path == streamtop.home / "journals" / "edge-1.journal.db"
    assert f"streamtop token new --server edge-1 --tokens tokens.toml --token-file {streamtop.home}/edge-1.token" in (
        ended.out
    )
    assert not (streamtop.home / "journals").exists()


async def test_token_that_is_a_credential_of_systemd_is_not_written_by_a_command(streamtop: Program) -> None:
    write_nginx(streamtop.home)
    token = ("--token-file", "/run/credentials/streamtop-agent.service/token")
    ended = await streamtop("agent", "init", "--yes", "--media-config", "nginx.conf", "--server", "edge-1", *token)
    assert "put the token of edge-1 into the file that LoadCredential=token: of streamtop-agent.service" in ended.out
    assert "systemctl restart streamtop-agent.service" in ended.out
    assert "token new" not in ended.out


async def test_existing_file_is_kept_unless_it_may_be_replaced(streamtop: Program) -> None:
    write_nginx(streamtop.home)
    path = streamtop.home / "agent.toml"
    path.write_text("mine")
    options = ("agent", "init", "--yes", "--media-config", "nginx.conf")
    ended = await streamtop(*options)
    assert (ended.code, path.read_text()) == (2, "mine")
    assert "exists and was kept; --replace" in ended.err
    declined = await streamtop.typed_into(b"n\n", "agent", "init", "--media-config", "nginx.conf")
    assert (declined.code, path.read_text()) == (1, "mine")
    assert (await streamtop(*options, "--replace")).code == 1
    assert tomllib.loads(path.read_text())["source"]["kind"] == "nginx-rtmp"


async def test_questions_and_answers(streamtop: Program) -> None:
    answers = b"edge-9\nhttps://usage.example.net\n\ny\n"
    ended = await streamtop.typed_into(
        answers, "agent", "init", "--kind", "srs", "--set", "url=http://127.0.0.1:1", "--media-config", "unused"
    )
    assert ended.code == 1, ended
    (unit,) = load_agent_configs(streamtop.home / "agent.toml", SOURCE_MODELS)
    assert (unit.server, unit.service.url) == ("edge-9", "https://usage.example.net")
    assert unit.service.token_file == streamtop.home / "edge-9.token"


async def test_declined_configuration_is_not_written(streamtop: Program) -> None:
    write_nginx(streamtop.home)
    ended = await streamtop.typed_into(b"\n\n\nn\n", "agent", "init", "--media-config", "nginx.conf")
    assert ended.code == 1
    assert "nothing was written" in ended.err
    assert not (streamtop.home / "agent.toml").exists()


async def test_password_of_icecast_is_in_a_file_of_its_own_and_never_printed(streamtop: Program) -> None:
    (streamtop.home / "icecast.xml").write_text(ICECAST)
    ended = await streamtop("agent", "init", "--yes", "--media-config", "icecast.xml", "--server", "radio")
    assert "FAILED  radio" in ended.out
    assert "s3cret" not in ended.out + ended.err + (streamtop.home / "agent.toml").read_text()
    secret = streamtop.home / "radio.password"
    assert (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)) == ("s3cret\n", 0o600)
    (unit,) = load_agent_configs(streamtop.home / "agent.toml", SOURCE_MODELS)
    assert unit.secret_files == [streamtop.home / "radio.token", secret]


async def test_what_is_missing_is_named_with_its_option(streamtop: Program) -> None:
    ended = await streamtop("agent", "init", "--yes", "--kind", "wowza", "--media-config", "unused")
    assert ended.code == 2
    assert "the kind wowza needs more: --set url=… --set applications=… --set password_file=…" in ended.err
    given = ("--set", "url=http://127.0.0.1:1", "--set", "applications=live, vod", "--set", "password_file=/none")
    ended = await streamtop("agent", "init", "--yes", "--kind", "wowza", "--media-config", "unused", *given)
    assert ended.code == 1, ended
    assert tomllib.loads((streamtop.home / "agent.toml").read_text())["source"]["applications"] == ["live", "vod"]


async def test_invalid_values_write_nothing(streamtop: Program) -> None:
    write_nginx(streamtop.home)
    common = ("agent", "init", "--yes", "--media-config", "nginx.conf")
    for options, message in (
        (("--server", "two words"), "agent.toml:2: server:"),
        (("--service", "ftp://x"), "not an HTTP URL"),
        (("--set", "stat_uri=http://x"), "unknown key"),
        (("--set", "stat_url"), "is not KEY=VALUE"),
        (("--kind", "srss"), "unknown kind 'srss'"),
        (("--hls",), "no location for HLS"),
    ):
        ended = await streamtop(*common, *options)
        assert (ended.code, message in ended.err) == (2, True), ended
    write_nginx(streamtop.home, "rtmp {")
    ended = await streamtop(*common)
    assert "nginx.conf:1: the block that begins here does not end" in ended.err
    assert not (streamtop.home / "agent.toml").exists()


async def test_lines_that_nginx_lacks_are_printed(streamtop: Program) -> None:
    write_nginx(streamtop.home, "rtmp { server { application live { live on; } } } http { }")
    ended = await streamtop("agent", "init", "--yes", "--media-config", "nginx.conf")
    assert "location /stat { rtmp_stat all; }" in ended.out
    assert f"log_format streamtop '{LOG_FORMAT}';" in ended.out
    assert "streamtop agent init --replace" in ended.out
