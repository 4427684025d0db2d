"""The console's memory does not grow over a day of polls with churn."""

import gc
import tracemalloc
from random import Random

from tests.support.console.records import session
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings
from tui.model.sessions.store import Session

POLL_MS = 2_000
POLLS_OF_A_DAY = 24 * 3600 * 1000 // POLL_MS
LIVE = 40
KEPT_ENDED = 60


class StepClock:
    def __init__(self) -> None:
        self.ms = 1_795_000_000_000

    def now_ms(self) -> int:
        return self.ms

    def elapsed_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def test_memory_stays_flat_over_a_day_of_polls() -> None:
    clock, random = StepClock(), Random(5)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings(poll_interval_s=POLL_MS / 1000))
    live: dict[int, Session] = {}
    ended: list[Session] = []
    number = 0
    sizes: list[int] = []
    for poll in range(POLLS_OF_A_DAY):
        clock.ms += POLL_MS
        if poll % 97 == 5:
            state.record_failure(PollFailed("away", False, 1000))
            continue
        changed, removed = [], []
        for _ in range(2):
            place = random.randrange(LIVE)
            before = live.get(place)
            if before is None or random.random() < 0.1:
                if before is not None:
                    over = session(before.name, before.start_time, live=False, active=0)
                    changed.append(over)
                    ended.append(over)
                number += 1
                live[place] = session(f"s{number}", clock.ms, active=1)
            else:
                live[place] = session(before.name, before.start_time, active=random.randrange(1000))
            changed.append(live[place])
        while len(ended) > KEPT_ENDED:
            removed.append(ended.pop(0).key)
        state.apply_poll(SessionsPolled(changed, removed, False, clock.ms, [], ""))
        if poll % 500 == 0:
            state.marks.toggle(live[max(live)].key)
        if poll == POLLS_OF_A_DAY // 4:
            tracemalloc.start()
        if poll in (POLLS_OF_A_DAY // 4 + 1, POLLS_OF_A_DAY // 2, POLLS_OF_A_DAY - 1):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
            if len(sizes) == 1:
                base = kept_objects(state)
    tracemalloc.stop()
    assert number > 3_000, "there is churn"
    assert kept_objects(state) <= base + 300, "the kept state is bounded"
    # Traced objects first replace those from before tracing; from the middle of the day on the size must not grow.
    assert sizes[2] < sizes[1] * 1.1 + 100_000


def kept_objects(state: ConsoleState) -> int:
    """Return the number of objects that the console keeps."""
    return len(state.store) + len(state.timeline) + len(state.history._turns) + len(state.marks) + len(state.waiting)
