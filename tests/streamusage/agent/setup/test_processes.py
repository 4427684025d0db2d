"""Media servers among the processes of a machine, which a folder in the form of /proc describes."""

from pathlib import Path

import pytest

from streamusage.agent.setup.processes import RunningServer, find_running


def start(processes: Path, pid: int, *arguments: str, program: Path | None = None) -> None:
    folder = processes / str(pid)
    (processes / "cwd").mkdir(exist_ok=True, parents=True)
    folder.mkdir()
    (folder / "cmdline").write_bytes("\0".join(arguments).encode() + b"\0")
    (folder / "cwd").symlink_to(processes / "cwd")
    if program is not None:
        (folder / "exe").symlink_to(program)


def nginx_program(folder: Path, mode: int = 0o755) -> Path:
    program = folder / "nginx"
    program.write_text('#!/bin/sh\necho "configure arguments: --prefix=/opt/nginx --conf-path=conf/main.conf" >&2\n')
    program.chmod(mode)
    return program


def test_nginx_by_the_options_of_its_master(tmp_path: Path) -> None:
    start(tmp_path, 7, "nginx: master process nginx -p /srv/ng -c own.conf -g daemon on;", program=Path("/none"))
    start(tmp_path, 8, "nginx: worker process")
    title = "nginx: master process nginx -p /srv/ng -c own.conf -g daemon on;"
    assert find_running(tmp_path) == [
        RunningServer("nginx-rtmp", 7, title, Path("/srv/ng/own.conf"), Path("/srv/ng")),
    ]


def test_nginx_by_the_settings_with_which_it_was_compiled(tmp_path: Path) -> None:
    start(tmp_path, 7, "nginx: master process nginx", program=nginx_program(tmp_path))
    (found,) = find_running(tmp_path)
    assert (found.configuration, found.prefix) == (Path("/opt/nginx/conf/main.conf"), Path("/opt/nginx"))


def test_program_that_another_user_may_have_replaced_is_not_run(tmp_path: Path) -> None:
    start(tmp_path, 7, "nginx: master process nginx", program=nginx_program(tmp_path, 0o777))
    (found,) = find_running(tmp_path)
    assert found.configuration == Path("/etc/nginx/nginx.conf")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("/usr/bin/icecast2", "-c", "conf/ice.xml"), "icecast"),
        (("./mediamtx", "m.yml"), "mediamtx"),
        (("/usr/local/srs/objs/srs", "-c", "conf/srs.conf"), "srs"),
        (("java", "-cp", "boot.jar", "com.wowza.wms.bootstrap.Bootstrap"), "wowza"),
        (("java", "org.red5.server.Bootstrap"), "red5pro"),
        (("node", "/srv/node_modules/node-media-server/bin/app.js"), "node-media-server"),
        (("vi", "srs"), None),
        (("",), None),
    ],
)
def test_other_servers(tmp_path: Path, arguments: tuple[str, ...], kind: str | None) -> None:
    start(tmp_path, 9, *arguments)
    assert [server.kind for server in find_running(tmp_path)] == ([] if kind is None else [kind])
    if kind == "icecast":
        assert find_running(tmp_path)[0].configuration == tmp_path / "cwd" / "conf" / "ice.xml"


def test_machine_without_proc_has_none(tmp_path: Path) -> None:
    assert find_running(tmp_path / "none") == []
