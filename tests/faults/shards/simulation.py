"""A store in several databases, simulated: what servers report is on one shard, what streams show is on another.

Between them is an outbox of state rows. A change of a row marks it for its receivers in the same transaction. A relay
sends the marked rows as they are at that moment, and removes a mark when the receiver has confirmed the content that
the row still has. The receiver keeps the newest revision of each row. Nothing is committed on two shards at once.

Faults: messages are lost, delayed, repeated and overtaken; agents lose their journals; both kinds of shards are
replaced by older copies of themselves. docs/scale.md describes what this is for.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from streamusage.service.rules.session_matching import SessionFigures, SessionPart, session_figures

SERVERS = 4
STREAMS = 6
SERVER_SHARDS = 2
STREAM_SHARDS = 2
STEPS = 300

Revision = tuple[int, int]
"""Of a publish: 0 and the agent's revision. Of a condition: the life of its shard, and a number within it."""


class RowKey(NamedTuple):
    """A row that is copied: a publish of one journal on one stream, or the condition of a server."""

    server: int
    journal: int = 0
    """0 for the condition."""
    stream: int = -1
    """-1 for the condition."""


class StateRow(NamedTuple):
    """The newest content of a row."""

    revision: Revision
    active: int = 0
    total: int = 0
    live: bool = False
    journal: int = 0
    """Of a condition: the journal that counts now."""
    is_unreachable: bool = False
    """Of a condition."""


Rows = dict[RowKey, StateRow]


@dataclass
class Agent:
    """Counts the publishes of one server, and reports what is not acknowledged."""

    server: int
    journal: int = 1
    revision: int = 0
    acknowledged: int = 0
    rows: Rows = field(default_factory=dict)
    """Of this journal, and what is stored of those that were destroyed."""

    def count(self, chance: Random) -> None:
        """Let a publish begin, change or end."""
        self.revision += 1
        key = RowKey(self.server, self.journal, chance.randrange(STREAMS))
        total = (self.rows[key].total if key in self.rows else 0) + chance.randrange(4)
        self.rows[key] = StateRow((0, self.revision), chance.randrange(5), total, chance.random() < 0.8)

    def report(self) -> Rows:
        """Return the rows that changed since the acknowledged revision."""
        return {
            key: row
            for key, row in self.rows.items()
            if key.journal == self.journal and row.revision[1] > self.acknowledged
        }

    def lose_journal(self, stored: Rows) -> None:
        """Begin another journal. Only what the shard has stored is left of this one."""
        self.rows = {key: row for key, row in self.rows.items() if key.journal != self.journal}
        self.rows |= {key: row for key, row in stored.items() if key[:2] == (self.server, self.journal)}
        self.journal += 1
        self.revision = self.acknowledged = 0


@dataclass
class ServerShard:
    """What servers report. Each method is one transaction."""

    life: int
    """When it began to work: later than any copy of it."""
    number: int = 0
    rows: Rows = field(default_factory=dict)
    acknowledged: dict[tuple[int, int], int] = field(default_factory=dict)
    """The newest revision of each server's journal."""
    outbox: set[tuple[int, RowKey]] = field(default_factory=set)
    """The marked rows of each stream shard."""
    lives: dict[int, int] = field(default_factory=dict)
    """The lives of the stream shards, as far as it knows."""

    def apply(self, server: int, journal: int, since: int, report: Rows) -> int:
        """Write a report. Return the acknowledged revision, which is lower than `since` after a restore."""
        known = self.acknowledged.get((server, journal), 0)
        if since > known:
            return known
        if self._condition(server).journal < journal:
            self._write_condition(self._condition(server)._replace(journal=journal), server)
        for key, row in report.items():
            if key not in self.rows or row.revision > self.rows[key].revision:
                self.rows[key] = row
                self.mark(key)
        self.acknowledged[server, journal] = max([known, *(row.revision[1] for row in report.values())])
        return self.acknowledged[server, journal]

    def set_unreachable(self, server: int, is_unreachable: bool) -> None:
        """Note whether a server is silent, which the sessions of all its streams show."""
        self._write_condition(self._condition(server)._replace(is_unreachable=is_unreachable), server)

    def begin_life(self, life: int) -> None:
        """Continue in place of a lost shard. Its receivers may have newer conditions, which are wrong now."""
        self.life = life
        for key, row in sorted(self.rows.items()):
            if key.stream < 0:
                self._write_condition(row, key.server)

    def batch(self, receiver: int) -> Rows:
        """Return the rows that a stream shard has not confirmed, as they are now."""
        return {key: self.rows[key] for of, key in self.outbox if of == receiver}

    def confirm(self, receiver: int, life: int, sent: Rows) -> None:
        """Remove the marks of what has arrived. A shard in another life may lack what it had confirmed before."""
        if self.lives.get(receiver, life) != life:
            self.outbox |= {(receiver, key) for key in self.rows if receiver in receivers_of(key)}
        else:
            self.outbox -= {(receiver, key) for key, row in sent.items() if self.is_confirmed(key, row)}
        self.lives[receiver] = life

    def is_confirmed(self, key: RowKey, sent: StateRow) -> bool:
        """Return whether the row has not changed since it was sent."""
        return self.rows.get(key) == sent

    def mark(self, key: RowKey) -> None:
        """Put a row into the outbox."""
        self.outbox |= {(receiver, key) for receiver in receivers_of(key)}

    def condition_revision(self) -> Revision:
        """Return the revision of the next condition: a number alone would be given again after a restore."""
        return self.life, self.number

    def _condition(self, server: int) -> StateRow:
        return self.rows.get(RowKey(server), StateRow((0, 0)))

    def _write_condition(self, condition: StateRow, server: int) -> None:
        self.number += 1
        self.rows[RowKey(server)] = condition._replace(revision=self.condition_revision())
        self.mark(RowKey(server))


@dataclass
class StreamShard:
    """What streams show. Each method is one transaction."""

    life: int
    rows: Rows = field(default_factory=dict)

    def apply(self, copies: Rows) -> None:
        """Keep the newest revision of each row."""
        self.rows |= {key: row for key, row in copies.items() if self.is_newer(row, self.rows.get(key))}

    def is_newer(self, row: StateRow, stored: StateRow | None) -> bool:
        """Return whether a copy replaces what is stored."""
        return stored is None or row.revision > stored.revision


class Copies(NamedTuple):
    """A message from a server shard to a stream shard."""

    sender: int
    receiver: int
    rows: Rows


class Confirmation(NamedTuple):
    """The answer of a stream shard."""

    sender: int
    receiver: int
    life: int
    rows: Rows


def receivers_of(key: RowKey) -> list[int]:
    """Return the stream shards that need a row: that of its stream, and all of them for a condition."""
    return list(range(STREAM_SHARDS)) if key.stream < 0 else [key.stream % STREAM_SHARDS]


class ShardSimulation:
    """One history, determined by its seed. Mutations override its methods and its classes of shards."""

    server_shard = ServerShard
    stream_shard = StreamShard

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.now = 1
        self.happened: Counter[str] = Counter()
        self.agents = [Agent(server) for server in range(SERVERS)]
        self.by_server = [self.server_shard(self.now) for _ in range(SERVER_SHARDS)]
        self.by_stream = [self.stream_shard(self.now) for _ in range(STREAM_SHARDS)]
        self.server_copies: list[list[ServerShard]] = [[] for _ in self.by_server]
        self.stream_copies: list[list[StreamShard]] = [[] for _ in self.by_stream]
        self.unreachable = dict.fromkeys(range(SERVERS), False)
        self.stored: dict[tuple[int, int], int] = {}
        """The newest revision of each journal that its shard has ever had."""
        self.under_way: list[Copies | Confirmation] = []

    def run(self) -> "ShardSimulation":
        """Let everything happen for a while, then let all faults end."""
        steps = (
            *(self.count,) * 5, *(self.report,) * 5, *(self.relay,) * 5, *(self.deliver,) * 8,
            self.change_condition, self.lose_journal, self.copy, self.restore_server_shard, self.restore_stream_shard,
        )  # fmt: skip
        for self.now in range(2, STEPS):
            self.chance.choice(steps)()
        self.heal()
        return self

    def heal(self) -> None:
        """Deliver everything until nothing changes."""
        for _ in range(8):
            self.now += 1
            for agent in self.agents:
                self._exchange(agent)
                shard = self._shard_of(agent)
                if shard._condition(agent.server).is_unreachable != self.unreachable[agent.server]:
                    shard.set_unreachable(agent.server, self.unreachable[agent.server])
            for sender in range(SERVER_SHARDS):
                for receiver in range(STREAM_SHARDS):
                    self._send(sender, receiver)
            while self.under_way:
                self._receive(self.under_way.pop(self.chance.randrange(len(self.under_way))))

    def count(self) -> None:
        self.chance.choice(self.agents).count(self.chance)

    def report(self) -> None:
        self._exchange(self.chance.choice(self.agents), loses_answer=self._happens("answer to a report lost", 0.2))

    def _exchange(self, agent: Agent, *, loses_answer: bool = False) -> None:
        shard = self._shard_of(agent)
        acknowledged = shard.apply(agent.server, agent.journal, agent.acknowledged, agent.report())
        journal = agent.server, agent.journal
        self.stored[journal] = max(acknowledged, self.stored.get(journal, 0))
        if not loses_answer:
            agent.acknowledged = acknowledged

    def relay(self) -> None:
        self._send(self.chance.randrange(SERVER_SHARDS), self.chance.randrange(STREAM_SHARDS))

    def _send(self, sender: int, receiver: int) -> None:
        """Send what is marked. Without marks too: the answer shows whether the receiver was replaced."""
        self.under_way.append(Copies(sender, receiver, self.by_server[sender].batch(receiver)))

    def deliver(self) -> None:
        if not self.under_way:
            return
        message = self.under_way.pop(self.chance.randrange(len(self.under_way)))
        if self._happens("message lost", 0.1):
            return
        if self._happens("message repeated later", 0.15):
            self.under_way.append(message)
        self._receive(message)

    def _receive(self, message: Copies | Confirmation) -> None:
        if isinstance(message, Confirmation):
            self.by_server[message.sender].confirm(message.receiver, message.life, message.rows)
            return
        shard = self.by_stream[message.receiver]
        shard.apply(message.rows)
        self.under_way.append(Confirmation(message.sender, message.receiver, shard.life, message.rows))

    def change_condition(self) -> None:
        server = self.chance.randrange(SERVERS)
        self.unreachable[server] = not self.unreachable[server]
        self._shard_of(self.agents[server]).set_unreachable(server, self.unreachable[server])

    def lose_journal(self) -> None:
        """Destroy a journal. Rows that only a replaced shard and a destroyed journal had are lost in any design."""
        agent = self.chance.choice(self.agents)
        shard, journal = self._shard_of(agent), (agent.server, agent.journal)
        if shard.acknowledged.get(journal, 0) == self.stored.get(journal, 0):
            self.happened["journal destroyed"] += 1
            agent.lose_journal(shard.rows)
            self.server_copies[agent.server % SERVER_SHARDS].clear()

    def copy(self) -> None:
        for shards, copies in ((self.by_server, self.server_copies), (self.by_stream, self.stream_copies)):
            number = self.chance.randrange(len(shards))
            copies[number].append(deepcopy(shards[number]))  # type: ignore[index,arg-type]

    def restore_server_shard(self) -> None:
        number = self.chance.randrange(SERVER_SHARDS)
        if self.server_copies[number]:
            self.happened["server shard replaced"] += 1
            self.by_server[number] = deepcopy(self.chance.choice(self.server_copies[number]))
            self.by_server[number].begin_life(self.now)

    def restore_stream_shard(self) -> None:
        number = self.chance.randrange(STREAM_SHARDS)
        if self.stream_copies[number]:
            self.happened["stream shard replaced"] += 1
            self.by_stream[number] = deepcopy(self.chance.choice(self.stream_copies[number]))
            self.by_stream[number].life = self.now

    def _shard_of(self, agent: Agent) -> ServerShard:
        return self.by_server[agent.server % SERVER_SHARDS]

    def _happens(self, what: str, probability: float) -> bool:
        if self.chance.random() >= probability:
            return False
        self.happened[what] += 1
        return True

    def check(self) -> None:
        """Compare what streams show with what the agents counted. Raises `AssertionError`."""
        counted: Rows = {}
        for agent in self.agents:
            counted |= agent.rows
            counted[RowKey(agent.server)] = StateRow(
                (0, 0), journal=agent.journal, is_unreachable=self.unreachable[agent.server]
            )
        shown: Rows = {}
        for shard in self.by_stream:
            shown |= shard.rows
        for stream in range(STREAMS):
            found, expected = figures_of(shown, stream), figures_of(counted, stream)
            assert found == expected, f"seed {self.seed}: stream {stream} shows {found}, not {expected}"
        assert not any(shard.outbox for shard in self.by_server), f"seed {self.seed}: marks that stay"


def figures_of(rows: Rows, stream: int) -> SessionFigures:
    """Return what a stream shows, by the rules of the service."""
    parts = []
    for key, row in sorted(rows.items()):
        if key.stream == stream:
            condition = rows.get(RowKey(key.server), StateRow((0, 0)))
            parts.append(
                SessionPart(
                    server=str(key.server), epoch=key.journal, publish_id="p", end_time=0, live=row.live,
                    active=row.active, highest=0, total=row.total, late=False,
                    epoch_is_active=key.journal == condition.journal, owes=None,
                    unreachable=condition.is_unreachable,
                )
            )  # fmt: skip
    return session_figures(0, parts, 0)
