"""Earlier workers of nginx that may still serve connections after a reload or a binary upgrade.

The page shows only the worker that responds. Whether an earlier one still runs is seen in the titles of the machine's
processes, provided that the agent sees the processes of nginx. Elsewhere, as beside a container, the names of the two
workers must do: one process id is never that of two running workers, and a worker that replaces a crashed one has the
start of the same configuration.

Workers of one master count connections in memory that they share, so that ids continue after a reload. The master of
a binary upgrade counts them from the beginning. Which master a worker has is its parent process.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from streamusage.agent.reading import DrainingBoot
from streamusage.agent.sources.nginx_rtmp.page_reader import START_TOLERANCE_S, WorkerBoot

MOST_EARLIER = 32
"""How many earlier workers are remembered: each reload may leave one."""

_WORKER_TITLE = re.compile(rb"[\w.-]+: worker process\b")

FindWorker = Callable[[int, int], bool | None]
"""Return whether the first process is a worker. The second one certainly is: `None` if that cannot be seen."""

FindMaster = Callable[[int], int | None]
"""Return the process id of a worker's master; `None` if that cannot be seen."""


def find_worker(pid: int, present_pid: int) -> bool | None:
    """As `FindWorker`, by the titles that nginx gives its processes."""
    return _is_worker(pid) if _is_worker(present_pid) else None


def _is_worker(pid: int) -> bool:
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return _WORKER_TITLE.match(title) is not None


def find_master(pid: int) -> int | None:
    """As `FindMaster`, by the parent of the process."""
    try:
        # The name of the process, in parentheses, may contain spaces.
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def earlier_workers(
    before: WorkerBoot | None, earlier: Iterable[WorkerBoot], present: WorkerBoot, find: FindWorker = find_worker
) -> dict[WorkerBoot, bool]:
    """Return the earlier workers that may still serve connections, and whether each certainly does.

    `before` is the worker of the last reading, and `earlier` those that might still serve connections then.
    """
    known = dict.fromkeys((*earlier, *([] if before is None else [before])))
    serving = {}
    for boot in known:
        if boot.pid == present.pid:
            continue
        runs = find(boot.pid, present.pid)
        is_replaced = boot == before and abs(boot.began_s - present.began_s) <= START_TOLERANCE_S
        if runs or (runs is None and not is_replaced):
            serving[boot] = bool(runs)
    return dict(list(serving.items())[-MOST_EARLIER:])


def drained(earlier: Iterable[WorkerBoot], present: WorkerBoot, find: FindWorker = find_worker) -> tuple[str, ...]:
    """Return those that have ended, of the workers that served connections beside a newer one at the last reading."""
    return tuple(str(boot) for boot in earlier if boot.pid != present.pid and find(boot.pid, present.pid) is False)


def draining(serving: dict[WorkerBoot, bool]) -> tuple[DrainingBoot, ...]:
    """Return earlier workers as the boots of a reading."""
    return tuple(DrainingBoot(str(boot), is_certain) for boot, is_certain in serving.items())


def masters(
    known: Mapping[WorkerBoot, int],
    serving: Mapping[WorkerBoot, bool],
    present: WorkerBoot,
    find: FindWorker = find_worker,
    find_master: FindMaster = find_master,
) -> dict[WorkerBoot, int]:
    """Return the masters of the workers that are seen to run, and of those whose masters are `known`."""
    running = [boot for boot, is_certain in serving.items() if is_certain]
    if find(present.pid, present.pid):
        running.append(present)
    seen = {boot: master for boot in running if (master := find_master(boot.pid)) is not None}
    return {**known, **seen}


def continued_ids(
    earlier: Iterable[WorkerBoot], present: WorkerBoot, masters: Mapping[WorkerBoot, int]
) -> tuple[str, ...]:
    """Return the earlier workers whose connection ids the present one certainly continues: they have its master."""
    master = masters.get(present)
    same = () if master is None else (str(boot) for boot in earlier if masters.get(boot) == master)
    return tuple(dict.fromkeys(same))
