"""A systemd of its own: process 1 in namespaces of its own, above a copy-on-write view of this machine's files.

It needs root that may mount, and systemd-nspawn. Nothing of this machine changes: what the booted system writes is in
memory and gone with it. It has its own processes, mounts, `/run`, control group and loopback network; its journal and
its units are its own, too. If this process is killed, the system ends.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.manager_socket import ManagerSocket, manager_socket
from tests.support.needs import skip_or_fail
from tests.support.program import REPOSITORY
from tests.support.real.processes import RunningProgram
from tests.support.waiting import LONGEST_WAIT_S, wait_until_blocking

_BOOT = r"""
set -eu
folder=$1 name=$2 packages=$3
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
umount --recursive --lazy /sys/fs/cgroup || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup$own/$name
mkdir "$group"
finish() {
  echo $$ > "/sys/fs/cgroup$own/cgroup.procs"
  echo 1 > "$group/cgroup.kill" || true
  while [ -d "$group" ]; do find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05; done
}
trap finish EXIT
echo $$ > "$group/cgroup.procs"
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=755 tmpfs "$folder/system"
cd "$folder/system"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
rm -rf root/etc/systemd/system/* root/var/log/journal root/etc/machine-id root/etc/streamtop root/var/lib/streamtop*
mkdir -p root/opt/streamtop root/opt/packages
cp -a "$folder/streamtop/." root/opt/streamtop
cp -a "$folder/files/." root/
: > root/etc/machine-id
setpriv --pdeathsig TERM -- systemd-nspawn --quiet --directory=root --register=no --keep-unit --machine="$name" \
  --private-network --console=pipe --link-journal=no --resolv-conf=off --timezone=off --notify-ready=yes \
  --kill-signal=SIGRTMIN+3 --bind-ro="$packages":/opt/packages \
  sh -c 'umount /proc/sys/kernel/random/boot_id; exec /lib/systemd/systemd --system --unit=multi-user.target' &
booted=$!
trap 'kill $booted; { sleep 30; kill $booted; } &' TERM
wait $booted || wait $booted
"""
"""Boots it in a mount namespace without propagation.

- The control group is below that of this process, in the second version of the hierarchy, whatever this machine uses.
  All of it is killed and removed at the end.
- The units of this machine that an administrator enabled are not started.
- SIGTERM halts it; one that does not end within half a minute is killed.
- A container has a boot id of its own by a mount that some units do not see; a real machine has one.
"""

_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")

_VARIABLES = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
}


class SystemdMachine:
    """A booted system. Commands run as root; files are written from the outside."""

    def __init__(self, leader: int) -> None:
        """`leader` is the process of this machine that is process 1 of the booted system."""
        self._leader = leader

    def attempt(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash, and return its exit code and output."""
        inside = ("nsenter", "-t", str(self._leader), *_NAMESPACES, "env", "-i")
        variables = [f"{name}={value}" for name, value in _VARIABLES.items()]
        return subprocess.run(
            [*inside, *variables, "bash", "-euo", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_WAIT_S,
            check=False,
        )

    def run(self, script: str) -> str:
        """Run a script of bash that must succeed, and return its output without the last line's end."""
        ended = self.attempt(script)
        assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout.rstrip("\n")

    def write(self, path: str, text: str) -> None:
        """Write a file of the booted system."""
        folder, name = os.path.split(path)
        self.run(f"mkdir -p {shlex.quote(folder)}; printf %s {shlex.quote(text)} > {shlex.quote(f'{folder}/{name}')}")

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit by name."""
        lines = self.run(f"systemctl show {shlex.quote(unit)} --property={','.join(names)}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, unit: str) -> str:
        """Return the lines of a unit in the journal, of the programs and of systemd about it."""
        return self.run(f"journalctl --sync; journalctl --no-pager --output=cat --unit={shlex.quote(unit)}")


def _interpreter() -> str:
    """Return a Python of the same version as this one that units with `ProtectHome=` can run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path(sys.base_prefix) / "bin" / version, Path("/usr/bin") / version):
        if path.exists() and not path.resolve().is_relative_to("/root") and not path.resolve().is_relative_to("/home"):
            return str(path.resolve())
    skip_or_fail(f"needs {version} outside of home directories, such as that of the package {version}")


def _install(environment: Path) -> Path:
    """Install the program into a virtual environment that will be in /opt/streamtop. Return the libraries' folder."""
    python = _interpreter()
    subprocess.run([python, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=LONGEST_WAIT_S)
    (packages,) = (environment / "lib").glob("python*/site-packages")
    for name in ("tui", "streamusage"):
        subprocess.run(["cp", "-a", str(REPOSITORY / name), str(packages)], check=True, timeout=LONGEST_WAIT_S)
    (packages / "libraries.pth").write_text("/opt/packages\n")
    program = environment / "bin" / "streamtop"
    program.write_text("#!/opt/streamtop/bin/python\nimport sys\n\nfrom tui.cli import main\n\nsys.exit(main())\n")
    program.chmod(0o755)
    return Path(msgspec_file()).parents[1]


def msgspec_file() -> str:
    """Return a file of a library, from which the folder of all of them is known."""
    import msgspec

    return str(msgspec.__file__)


def _need_namespaces() -> None:
    """Skip the test where this process may not boot a system; in CI, fail it."""
    if os.geteuid() != 0:
        skip_or_fail("needs root, to boot a systemd in namespaces of its own")
    mounts = "mount -t tmpfs tmpfs /mnt && mount -t cgroup2 cgroup2 /mnt"
    attempt = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts],
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONGEST_WAIT_S,
        check=False,
    )
    if attempt.returncode:
        skip_or_fail(f"needs the right to mount, as root of a privileged container has it: {attempt.stderr.strip()}")


def _wait_for_start(manager: ManagerSocket, program: RunningProgram) -> int:
    """Wait until the system has started. Return its process 1, as this machine knows it."""
    found: dict[str, str] = {}

    def is_ready() -> bool:
        assert program.running, f"systemd did not start: {program.output()}"
        for notification in manager.drain():
            found.update(notification)
        return "READY" in found

    wait_until_blocking(is_ready, "systemd has started", last_seen=program.output)
    return int(found["X_NSPAWN_LEADER_PID"])


@contextmanager
def systemd_machine(folder: Path, files: dict[str, str]) -> Iterator[SystemdMachine]:
    """Boot a systemd with the program in /opt/streamtop and these `files`; yield it when it has started."""
    _need_namespaces()
    (folder / "system").mkdir()
    (folder / "files").mkdir()
    for path, text in files.items():
        target = folder / "files" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        if text.startswith("#!"):
            target.chmod(0o755)
    packages = _install(folder / "streamtop")
    name = f"streamtop-{os.getpid()}"
    boot = ["unshare", "--mount", "--propagation", "private", "bash", "-c", _BOOT, "boot", str(folder), name]
    # The socket is closed as soon as systemd has started: nobody reads what it sends later, and a full queue would hang
    # it.
    with tempfile.TemporaryDirectory(prefix="streamtop-boot-") as sockets, manager_socket(Path(sockets)) as manager:
        program = RunningProgram(
            ["setpriv", "--pdeathsig", "TERM", "--", *boot, str(packages)], folder / "boot.log", manager.environment
        )
        try:
            leader = _wait_for_start(manager, program)
        except BaseException:
            program.stop(signal.SIGTERM)
            raise
    try:
        yield SystemdMachine(leader)
    finally:
        program.stop(signal.SIGTERM)
