"""What is found in nginx's configuration, and which lines it lacks."""

from pathlib import Path

import pytest

from streamusage.access_logs.web.quick_formats import STREAMTOP
from streamusage.agent.setup.nginx_facts import (
    HLS_LOG,
    RTMP_LOG,
    HlsLocation,
    NginxFacts,
    find_facts,
    is_readable_rtmp_format,
)
from streamusage.agent.setup.nginx_files import read_nginx_files
from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT

RTMP_LOGGED = f"log_format streamtop '{LOG_FORMAT}'; access_log /var/log/rtmp.log streamtop;"
STAT = "server { listen 18080; location /stat { rtmp_stat all; } }"


def facts_of(folder: Path, text: str) -> NginxFacts:
    (folder / "nginx.conf").write_text(text)
    return find_facts(read_nginx_files(folder / "nginx.conf"))


def test_complete_configuration_lacks_nothing(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path,
        f"""
        rtmp {{ {RTMP_LOGGED} server {{ hls on; application live {{ live on; hls_path /var/www/hls; }} }} }}
        http {{
          log_format streamtop '{STREAMTOP}';
          server {{
            listen 127.0.0.1:18080;
            location /stat {{ rtmp_stat all; }}
            location /hls {{ root /var/www; access_log logs/hls.log streamtop; }}
          }}
        }}
        """,
    )
    assert facts.has_rtmp
    assert facts.stat_urls == ("http://127.0.0.1:18080/stat",)
    assert facts.access_log == Path("/var/log/rtmp.log")
    assert facts.hls == (HlsLocation("/hls", ("live",), tmp_path / "logs" / "hls.log"),)
    assert facts.additions == ()
    assert facts.notes == ()


def test_bare_configuration_gets_all_lines(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path,
        """
        worker_processes auto;
        rtmp { server { application live { live on; hls on; hls_path /var/www/hls; } } }
        http { server { location / { root /var/www; } } }
        """,
    )
    assert facts.stat_urls == ()
    assert facts.access_log is None
    assert facts.hls == ()
    added = ["\n".join(addition.lines) for addition in facts.additions]
    assert added[0] == "worker_processes 1;"
    assert "rtmp_stat all;" in added[1]
    assert added[2] == f"log_format streamtop '{LOG_FORMAT}';\naccess_log {RTMP_LOG} streamtop;"
    assert f"location /hls {{ root /var/www; access_log {HLS_LOG} streamtop; }}" in added[3]


def test_added_lines_complete_the_configuration(tmp_path: Path) -> None:
    bare = "rtmp {{ {rtmp} server {{ application live {{ hls on; hls_path /w/hls; }} }} }} http {{ {http} }}"
    page, rtmp, hls = facts_of(tmp_path, bare.format(rtmp="", http="")).additions
    *http, location = hls.lines
    server = "\n".join((*page.lines, *http, f"server {{ {location} }}"))
    completed = facts_of(tmp_path, bare.format(rtmp="\n".join(rtmp.lines), http=server))
    assert completed.additions == ()
    assert completed.hls[0].access_log == Path(HLS_LOG)


@pytest.mark.parametrize(
    ("server", "urls"),
    [
        ("listen 80;", ["http://127.0.0.1/stat"]),
        ("", ["http://127.0.0.1/stat"]),
        ("listen 8443 ssl; listen 127.0.0.1:8080;", ["http://127.0.0.1:8080/stat", "https://127.0.0.1:8443/stat"]),
        ("listen [::]:8080 default_server;", ["http://[::1]:8080/stat"]),
        ("listen *:8080;", ["http://127.0.0.1:8080/stat"]),
        ("listen stats.example.net:443 ssl;", ["https://stats.example.net/stat"]),
        ("listen unix:/run/nginx.sock;", []),
    ],
)
def test_addresses_of_the_page(tmp_path: Path, server: str, urls: list[str]) -> None:
    text = f"rtmp {{ {RTMP_LOGGED} }} http {{ server {{ {server} location = /stat {{ rtmp_stat all; }} }} }}"
    assert list(facts_of(tmp_path, text).stat_urls) == urls


@pytest.mark.parametrize("location", ["location ~ ^/stat { rtmp_stat all; }", "location /stat { rtmp_stat live; }"])
def test_pages_that_cannot_be_used_are_none(tmp_path: Path, location: str) -> None:
    assert facts_of(tmp_path, f"rtmp {{}} http {{ server {{ {location} }} }}").stat_urls == ()


@pytest.mark.parametrize(
    ("form", "is_readable"),
    [
        (LOG_FORMAT, True),
        (LOG_FORMAT.replace("$msec", "${msec}"), True),
        (LOG_FORMAT.replace(' "$flashver"', ""), True),
        (LOG_FORMAT.replace("$connection ", ""), False),
        ('$remote_addr [$time_local] $command "$app" "$name" "$args" - $bytes_received $bytes_sent "" "$flashver" '
         "($session_readable_time)", False),
        ('{"t": "$msec", "c": "$connection"}', False),
        ("", False),
    ],
)  # fmt: skip
def test_formats_of_the_rtmp_log(form: str, is_readable: bool) -> None:
    assert is_readable_rtmp_format(form) is is_readable


def test_log_in_another_format_is_not_used_and_its_path_is_proposed(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, f"rtmp {{ access_log /var/log/own.log; }} http {{ {STAT} }}")
    assert facts.access_log is None
    (added,) = facts.additions
    assert added.lines[-1] == "access_log /var/log/own.log streamtop;"


def test_hls_of_several_applications_and_inherited_logs(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path,
        f"""
        rtmp {{ {RTMP_LOGGED} hls on; server {{
          application a {{ hls_path /srv/media; }} application b {{ hls_path /srv/media; }}
          application c {{ hls off; hls_path /srv/media; }} application d {{ hls_path /srv/d; }} }} }}
        http {{ {STAT}
          log_format own '$remote_addr [$time_iso8601] "$request" $status $body_bytes_sent "$http_user_agent"';
          server {{ access_log /var/log/web.log own;
            location /watch {{ alias /srv/media; }}
            location /d {{ root /srv; access_log off; }} }} }}
        """,
    )
    assert [(found.path, found.applications, found.access_log) for found in facts.hls] == [
        ("/watch", ("a", "b"), Path("/var/log/web.log")),
        ("/d", ("d",), None),
    ]
    assert facts.hls[0].log_format.startswith("$remote_addr [$time_iso8601]")
    (added,) = facts.additions
    assert "location /d {" in added.lines[-1]


def test_configuration_without_rtmp(tmp_path: Path) -> None:
    assert not facts_of(tmp_path, "http { server { listen 80; } }").has_rtmp
