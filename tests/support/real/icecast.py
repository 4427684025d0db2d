"""A real Icecast on loopback, real sources and listeners, and the sums of its own access log."""

import os
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from streamusage.agent.sources.icecast.source import IcecastSource
from streamusage.core.clock import SystemClock
from tests.support.real.fake_clock import FakeClock
from tests.support.real.processes import Programs, RunningProgram, free_port, until
from tests.support.waiting import LONGEST_WAIT_S, PATIENT

MP3_BYTES_PER_SECOND = 4000


def encode_music(path: Path) -> Path:
    """Encode ten seconds of MP3 at 32 kbit/s."""
    subprocess.run(
        [
            *("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "sine=frequency=440"),
            *("-t", "10", "-c:a", "libmp3lame", "-b:a", "32k", "-ar", "22050", str(path)),
        ],
        check=True,
        timeout=LONGEST_WAIT_S,
    )
    return path


@dataclass(frozen=True)
class IcecastLogSums:
    """The sums of the access log."""

    listeners: int
    bytes_out: int
    listening_seconds: int


class Icecast:
    """A separate Icecast. Its log is kept over a restart.

    Started as root, Icecast switches to another user, who must be able to enter the directory. A directory of pytest
    does not allow that.
    """

    def __init__(
        self, directory: Path, programs: Programs, clock: FakeClock | None = None, *, fallback: bool = False
    ) -> None:
        """`fallback` sends listeners of `/live/a.mp3` to `/live/b.mp3` while it has no source, and back."""
        self.directory = directory
        self._fallback = fallback
        self._clock = clock
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.access_log = directory / "log" / "access.log"
        self.admin_password = secrets.token_hex(8)
        self._source_password = secrets.token_hex(8)
        self._music = encode_music(directory / "music.mp3")
        self._programs = programs
        self._program: RunningProgram | None = None
        self._write_configuration()

    def section(self) -> str:
        """Return the agent's configuration of this server."""
        return f"""
            kind = "icecast"
            url = "{self.url}"
            password_env = "TEST_ICECAST_PASSWORD"
            access_log = "{self.access_log}"
        """

    def environment(self) -> dict[str, str]:
        return {"TEST_ICECAST_PASSWORD": self.admin_password}

    def open_source(self) -> IcecastSource:
        """Return a source that reads this server and its log."""
        return IcecastSource(
            self.url,
            "admin",
            lambda: self.admin_password,
            self.access_log,
            SystemClock(),
            options=PATIENT,
        )

    async def start(self) -> None:
        program = shutil.which("icecast2") or "icecast2"
        arguments = [program, "-c", str(self.directory / "icecast.xml")]
        self._program = self._programs.start("icecast", arguments, self._clock and self._clock.environment)
        await until(self._is_ready, "Icecast responds")

    def stop(self) -> None:
        """Send SIGTERM: all connections are cut, and the log has a line for each."""
        assert self._program is not None
        self._program.stop()

    def kill(self) -> None:
        """Send SIGKILL, as a crash: the log has no lines for open connections."""
        assert self._program is not None
        self._program.kill()

    def publish(self, mount: str = "/live/a.mp3", password: str | None = None) -> RunningProgram:
        """Start an encoder, with the right password unless another one is given."""
        return self._programs.start(
            "source",
            [
                *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(self._music)),
                *("-c", "copy", "-content_type", "audio/mpeg", "-f", "mp3"),
                f"icecast://source:{password or self._source_password}@127.0.0.1:{self.port}{mount}",
            ],
        )

    def watch(self) -> RunningProgram:
        return self._programs.start("listener", ["curl", "-s", "-o", "/dev/null", f"{self.url}/live/a.mp3"])

    async def wait_until_published(self, sources: int = 1) -> None:
        await until(lambda: self._has("sources", sources), f"Icecast has {sources} sources")

    async def wait_for_viewers(self, viewers: int) -> None:
        await until(lambda: self._has("listeners", viewers), f"Icecast has {viewers} listeners")

    async def wait_until_idle(self) -> None:
        await until(lambda: self._has("listeners", 0), "Icecast has no listeners")
        await until(lambda: self._has("sources", 0), "Icecast has no source")

    async def wait_for_log_lines(self, listeners: int) -> None:
        """Wait until the log has lines for this number of listeners."""
        await until(lambda: self.sum_log().listeners == listeners, f"the log has {listeners} listeners")

    def sum_log(self) -> IcecastLogSums:
        """Sum the log, without the code under test."""
        lines = re.findall(r'"GET /live/a\.mp3 HTTP/1\.[01]" 200 (\d+) .* (\d+)$', self.access_log.read_text(), re.M)
        return IcecastLogSums(
            listeners=len(lines),
            bytes_out=sum(int(sent) for sent, _ in lines),
            listening_seconds=sum(int(duration_s) for _, duration_s in lines),
        )

    async def _has(self, field: str, count: int) -> bool:
        match = re.search(rf"<{field}>(\d+)</{field}>", await self._stats())
        return match is not None and int(match[1]) == count

    async def _stats(self) -> str:
        async with httpx.AsyncClient(
            trust_env=False, auth=("admin", self.admin_password), timeout=LONGEST_WAIT_S
        ) as http:
            return (await http.get(f"{self.url}/admin/stats")).text

    async def _is_ready(self) -> bool:
        assert self._program is not None
        if not self._program.running:
            raise AssertionError(f"Icecast did not start: {self._program.output()}")
        try:
            return "<icestats>" in await self._stats()
        except httpx.TransportError:
            return False

    def _write_configuration(self) -> None:
        logs = self.directory / "log"
        logs.mkdir()
        owner = ""
        if os.geteuid() == 0:  # Icecast refuses to run as root without another user to switch to
            for log in (logs / "access.log", logs / "error.log"):
                log.touch()
                shutil.chown(log, "icecast2", "icecast")
            shutil.chown(logs, "icecast2", "icecast")
            owner = "<changeowner><user>icecast2</user><group>icecast</group></changeowner>"
        mounts = (
            "<mount><mount-name>/live/a.mp3</mount-name><fallback-mount>/live/b.mp3</fallback-mount>"
            "<fallback-override>1</fallback-override></mount>"
            if self._fallback
            else ""
        )
        share = Path("/usr/share/icecast2")
        (self.directory / "icecast.xml").write_text(
            f"""<icecast>
            <limits><clients>100</clients><sources>5</sources><queue-size>524288</queue-size>
            <client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>10</source-timeout>
            <burst-on-connect>1</burst-on-connect><burst-size>65535</burst-size></limits>
            <authentication><source-password>{self._source_password}</source-password>
            <admin-user>admin</admin-user><admin-password>{self.admin_password}</admin-password></authentication>
            <hostname>localhost</hostname>
            <listen-socket><port>{self.port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
            {mounts}
            <paths><basedir>{share}</basedir><logdir>{logs}</logdir><webroot>{share}/web</webroot>
            <adminroot>{share}/admin</adminroot></paths>
            <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>2</loglevel></logging>
            <security><chroot>0</chroot>{owner}</security></icecast>"""
        )
