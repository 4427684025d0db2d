"""Schedules of two operations: the order in which two processes run their statements."""

from random import Random
from typing import NamedTuple

RANDOM_SHARE = 0.25
"""The share of schedules with many switches. All others have two."""
WHOLE_SHARE = 0.5
"""The share of those in which all of one operation runs within the other one, as far as that is left."""
LONGEST_TURN = 30


class Turn(NamedTuple):
    """How many statements one of the two processes runs in succession."""

    process: int
    statements: int

    def __str__(self) -> str:
        return f"{'AB'[self.process]}{self.statements}"


Schedule = tuple[Turn, ...]
"""After its turns the first of them runs to its end, then the other."""


def switch_twice(first: int, before: int, between: int) -> Schedule:
    """Return a schedule with two switches: `first` runs some statements, the other one some, then both to their end."""
    return Turn(first, before), Turn(1 - first, between)


def switch_often(random: Random, statements: int) -> Schedule:
    """Return a schedule with random turns for about so many statements."""
    turns: list[Turn] = []
    process = random.randrange(2)
    while sum(turn.statements for turn in turns) < statements:
        turns.append(Turn(process, min(1 + int(random.expovariate(0.2)), LONGEST_TURN)))
        process = 1 - process
    return tuple(turns)


SERIAL: tuple[Schedule, Schedule] = (Turn(0, 0),), (Turn(1, 0),)
"""Schedules without a switch: the first operation to its end, then the second, and the other way round."""


class Schedules:
    """Schedules of two operations with so many statements, without those that come to the same."""

    def __init__(self, random: Random, statements: tuple[int, int]) -> None:
        self._random = random
        self._statements = statements
        self._left = {
            (first, before): set(range(1, statements[1 - first] + 1))
            for first in (0, 1)
            for before in range(statements[first] + 1)
        }
        """By the first process and its statements before the switch: how many of the second one may follow."""

    def choose(self) -> Schedule | None:
        """Return a schedule; `None` if all with two switches were returned."""
        open_places = [place for place, lengths in self._left.items() if lengths]
        if not open_places:
            return None
        if self._random.random() < RANDOM_SHARE:
            return switch_often(self._random, sum(self._statements))
        first, before = self._random.choice(open_places)
        lengths = sorted(self._left[first, before])
        between = lengths[-1] if self._random.random() < WHOLE_SHARE else self._random.choice(lengths)
        self._left[first, before].discard(between)
        return switch_twice(first, before, between)

    def skip_equal(self, schedule: Schedule, first_blocked: tuple[int, int] | None) -> None:
        """Skip the schedules in which the second process waits for the same lock after as many statements.

        `first_blocked` is how many statements each process had run in the schedule when one had to wait first.
        """
        if len(schedule) != 2 or first_blocked is None:
            return
        (first, before), (second, between) = schedule
        if first_blocked[first] == before and first_blocked[second] < between:
            lengths = self._left.get((first, before), set())
            self._left[first, before] = {length for length in lengths if length <= first_blocked[second]}
