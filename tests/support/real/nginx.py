"""A real nginx with the RTMP module on loopback, real publishers and viewers, and the sums of nginx's own log."""

import os
import shlex
import shutil
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from streamusage.access_logs.web.quick_formats import STREAMTOP
from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT
from tests.support.real.fake_clock import FakeClock
from tests.support.real.processes import DaemonProgram, Programs, RunningProgram, free_port, until
from tests.support.waiting import LONGEST_WAIT_S

MODULES = tuple(
    Path(directory) / "ngx_rtmp_module.so"
    for directory in ("/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules")
)


NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or "nginx"
"""A whole path: a binary upgrade starts the program under the name with which it was started."""


def encode_clip(path: Path) -> Path:
    """Encode a clip of ten seconds, for publishers that only copy it."""
    subprocess.run(
        [
            *("ffmpeg", "-nostdin", "-loglevel", "error", "-y"),
            *("-f", "lavfi", "-i", "testsrc=size=160x120:rate=5", "-f", "lavfi", "-i", "sine=frequency=440"),
            *("-t", "10", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "5", "-b:v", "60k"),
            *("-c:a", "aac", "-b:a", "24k", "-ar", "22050", "-f", "flv", str(path)),
        ],
        check=True,
        timeout=LONGEST_WAIT_S,
    )
    return path


class Nginx:
    """A separate nginx with its own ports, directory and log. `Programs` stops it at the end of the test."""

    def __init__(
        self,
        directory: Path,
        programs: Programs,
        clip: Path,
        *,
        workers: int = 1,
        log_format: str | None = LOG_FORMAT,
        notify_url: str = "",
        directives: str = "",
        global_directives: str = "",
        daemon: bool = False,
        clock: FakeClock | None = None,
    ) -> None:
        """A `daemon` can be upgraded: nginx ignores SIGUSR2 while the program that started it is its parent."""
        self.directory = directory
        self.rtmp_port, self.http_port = free_port(), free_port()
        self.access_log = directory / "rtmp_access.log"
        self.stat_url = f"http://127.0.0.1:{self.http_port}/stat"
        self.hls_log = directory / "hls_access.log"
        self.hls_url = f"http://127.0.0.1:{self.http_port}/hls"
        self._programs = programs
        self._clip = clip
        self._workers = workers
        self._log_format = log_format
        self._callbacks = "".join(
            f" {name} {notify_url};"
            for name in ("on_play", "on_play_done", "on_publish", "on_publish_done")
            if notify_url
        )
        self._directives = directives
        """More directives of the application `live`."""
        self._global_directives = global_directives
        self._is_daemon = daemon
        self._clock = clock
        self._master: RunningProgram | DaemonProgram | None = None

    async def start(self) -> None:
        """Start nginx and wait until it responds."""
        self._write_configuration()
        if self._is_daemon:
            self._programs.start("nginx", self._command())
            await until(self._pid_file.exists, "nginx wrote its process id")
            self._master = self._adopt_master()
        else:
            self._master = self._programs.start("nginx", self._command(), self._clock and self._clock.environment)
        await until(self._is_ready, "nginx responds")

    @property
    def _pid_file(self) -> Path:
        return self.directory / "nginx.pid"

    def _adopt_master(self) -> DaemonProgram:
        return self._programs.adopt(int(self._pid_file.read_text()))

    async def upgrade(self) -> RunningProgram | DaemonProgram:
        """Start a new master beside the old one, which is returned: both accept connections until one has to quit."""
        old = self._running()
        old.send(signal.SIGUSR2)
        await until(self._has_new_master, "the new master wrote its process id")
        self._master = self._adopt_master()
        await until(lambda: bool(self.worker_pids()), "the new master has a worker")
        return old

    def roll_back(self, old: RunningProgram | DaemonProgram) -> None:
        """Let the new master of an upgrade quit, and continue with the old one."""
        self._running().send(signal.SIGQUIT)
        self._master = old

    def _has_new_master(self) -> bool:
        old = self._pid_file.with_name("nginx.pid.oldbin")
        return old.exists() and self._pid_file.exists() and bool(self._pid_file.read_text().strip())

    def stop(self) -> None:
        """Send SIGTERM: connections are cut and not logged."""
        self._running().stop(signal.SIGTERM)

    def reload(self) -> None:
        """Start a new worker for new connections; the old worker serves its connections to their end."""
        self._running().send(signal.SIGHUP)

    def reopen_logs(self) -> None:
        self._running().send(signal.SIGUSR1)

    def worker_pids(self) -> list[int]:
        """Return the pids of all workers, including those that only drain."""
        children = Path(f"/proc/{self._running().pid}/task/{self._running().pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill_worker(self) -> None:
        """Kill the worker, as a crash: the master starts another."""
        (pid,) = self.worker_pids()
        os.kill(pid, signal.SIGKILL)

    def publish(self, name: str, app: str = "live") -> RunningProgram:
        """Start a publisher in real time, until it is stopped."""
        return self._programs.start(
            "publisher",
            [
                *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(self._clip)),
                *("-c", "copy", "-f", "flv", self._url(app, name)),
            ],
        )

    def watch(self, name: str, app: str = "live") -> RunningProgram:
        """Start a viewer who watches until it is stopped."""
        return self._programs.start("viewer", ["rtmpdump", "-q", "-v", "-r", self._url(app, name), "-o", "/dev/null"])

    def watch_hls(self, file: str, user_agent: str) -> RunningProgram:
        """Start a player of a playlist, which watches until it is stopped."""
        return self._programs.start(
            "player",
            [
                *("ffmpeg", "-nostdin", "-loglevel", "error", "-user_agent", user_agent),
                *("-re", "-i", f"{self.hls_url}/{file}", "-c", "copy", "-f", "null", "-"),
            ],
        )

    async def page(self) -> str:
        async with httpx.AsyncClient(trust_env=False, timeout=LONGEST_WAIT_S) as http:
            return (await http.get(self.stat_url)).text

    async def clients(self) -> int:
        """Return the number of clients on the page, including publishers."""
        return (await self.page()).count("<client>")

    async def wait_for_clients(self, clients: int) -> None:
        await until(lambda: self._has(clients), f"nginx shows {clients} clients")

    async def _has(self, clients: int) -> bool:
        return await self.clients() == clients

    async def _is_ready(self) -> bool:
        if self._master is None or not self._master.running:
            raise AssertionError(f"nginx did not start: {self._master.output() if self._master else ''}")
        try:
            return "<rtmp>" in await self.page()
        except httpx.TransportError:
            return False

    def _url(self, app: str, name: str) -> str:
        return f"rtmp://127.0.0.1:{self.rtmp_port}/{app}/{name}"

    def _running(self) -> RunningProgram | DaemonProgram:
        if self._master is None or not self._master.running:
            raise AssertionError("nginx is not running")
        return self._master

    def _command(self) -> list[str]:
        return [NGINX, "-p", str(self.directory), "-e", "error.log", "-c", "nginx.conf"]

    def _write_configuration(self) -> None:
        module = next(module for module in MODULES if module.exists())
        # As root, nginx would assign its logs to another user, who cannot enter a test's directory.
        user = "user root root;" if os.geteuid() == 0 else ""
        log = f"access_log {self.access_log};"
        if self._log_format is not None:
            log = f"log_format streamtop '{self._log_format}'; access_log {self.access_log} streamtop;"
        temp_paths = " ".join(
            f"{kind}_temp_path {self.directory / kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # A worker has no other variables than these.
        variables = " ".join(f"env {name};" for name in (self._clock.environment if self._clock else ()))
        (self.directory / "www").mkdir(exist_ok=True)
        (self.directory / "nginx.conf").write_text(
            f"""
            {variables}
            load_module {module};
            {user}
            {self._global_directives}
            daemon {"on" if self._is_daemon else "off"}; worker_processes {self._workers};
            pid {self.directory}/nginx.pid; error_log {self.directory}/error.log info;
            events {{ worker_connections 512; }}
            rtmp {{
              {log}
              server {{
                listen 127.0.0.1:{self.rtmp_port};
                application live {{ live on;{self._callbacks}{self._directives} }}
                application event {{ live on; }}
                application hls {{
                  live on; hls on; hls_path {self.directory}/www/hls; hls_fragment 2s; hls_playlist_length 12s;
                  hls_cleanup off;
                  hls_variant _low BANDWIDTH=80000; hls_variant _mid BANDWIDTH=160000;
                }}
              }}
            }}
            http {{
              log_format streamtop '{STREAMTOP}';
              access_log off; {temp_paths}
              server {{
                listen 127.0.0.1:{self.http_port};
                location /stat {{ rtmp_stat all; }}
                location /control {{ rtmp_control all; }}
                location /hls {{ root {self.directory}/www; access_log {self.hls_log} streamtop; }}
              }}
            }}
            """
        )


@dataclass
class StreamSums:
    """The sums of one stream in nginx's log."""

    plays: int = 0
    publishes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass
class LogSums:
    """The sums of nginx's own log, each line counted once."""

    bytes_in: int = 0
    bytes_out: int = 0
    plays: int = 0
    view_seconds: int = 0
    """Of plays, each rounded down to whole seconds: too low by less than a second per play."""
    lines: int = 0
    streams: dict[tuple[str, str], StreamSums] = field(default_factory=dict)
    commands: Counter[str] = field(default_factory=Counter)


def sum_log(*logs: Path) -> LogSums:
    """Sum access logs in the recommended format, without the code under test."""
    sums = LogSums()
    for log in logs:
        for line in log.read_text("latin-1").splitlines():
            _, _, _, *figures, command, app, name, _, _ = shlex.split(line)
            received, sent, duration_s = (int(figure.partition("=")[2]) for figure in figures)
            stream = sums.streams.setdefault((app, name), StreamSums())
            sums.lines += 1
            sums.commands[command] += 1
            sums.bytes_in += received
            sums.bytes_out += sent
            stream.bytes_in += received
            stream.bytes_out += sent
            if command == "PLAY":
                sums.plays += 1
                sums.view_seconds += duration_s
                stream.plays += 1
            elif command == "PUBLISH":
                stream.publishes += 1
    return sums
