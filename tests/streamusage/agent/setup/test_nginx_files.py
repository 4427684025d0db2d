"""Includes of nginx's configuration: patterns, nesting, files that cannot be read, and circles."""

from pathlib import Path

import pytest

from streamusage.agent.setup.nginx_files import read_nginx_files
from streamusage.agent.setup.nginx_syntax import NginxSyntaxError


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "nginx"


def test_included_directives_are_in_place_of_the_include(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        nginx="a; http { include sites/*; include none/*; z; } include last;",
        sites__b="server { include sites__inner; }",
        sites__a="s1;",
        sites__inner="unused;",
        last="l;",
    )
    (tmp_path / "sites__inner").write_text("listen 80;")
    files = read_nginx_files(main)
    assert [found.name for found in files.root.block or ()] == ["a", "http", "l"]
    (http,) = files.root.find("http")
    assert [found.name for found in http.block or ()] == ["s1", "server", "unused", "z"]
    (server,) = http.find("server")
    assert [(found.name, found.file) for found in server.block or ()] == [("listen", str(tmp_path / "sites__inner"))]
    assert files.problems == ()
    assert files.path_of("logs/a.log") == tmp_path / "logs" / "a.log"
    assert files.path_of("/var/log/a.log") == Path("/var/log/a.log")


def test_missing_include_is_a_problem_and_the_rest_is_read(tmp_path: Path) -> None:
    files = read_nginx_files(write(tmp_path, nginx="a;\ninclude none.conf;\nb;"), Path("/usr/share/nginx"))
    assert [found.name for found in files.root.block or ()] == ["a", "b"]
    assert files.problems == (
        f"{tmp_path}/nginx:2: the included file {tmp_path}/none.conf cannot be read: No such file or directory",
    )
    assert files.path_of("logs/a.log") == Path("/usr/share/nginx/logs/a.log")


def test_circle_of_includes_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(NginxSyntaxError, match="which includes it"):
        read_nginx_files(write(tmp_path, nginx="include nginx;"))


def test_bytes_of_no_encoding_are_kept(tmp_path: Path) -> None:
    (tmp_path / "nginx").write_bytes(b"access_log /var/log/\xff.log;")
    (log,) = read_nginx_files(tmp_path / "nginx").root.find("access_log")
    assert log.arguments == ("/var/log/\udcff.log",)
