"""Mutations: each breaks one rule of the outbox between shards. The simulation must detect every one of them."""

from tests.faults.shards.simulation import (
    Confirmation,
    Copies,
    Revision,
    RowKey,
    Rows,
    ServerShard,
    ShardSimulation,
    StateRow,
)
from tests.faults.shards.simulation import StreamShard as RealStreamShard


class KeepsWhatArrivesLast(ShardSimulation):
    """A stream shard takes every copy, also one that is older than what it has."""

    class Shard(RealStreamShard):
        def is_newer(self, row: StateRow, stored: StateRow | None) -> bool:
            return True

    stream_shard = Shard


class RemovesMarksOfChangedRows(ShardSimulation):
    """A confirmation removes the mark of a row that has changed since it was sent."""

    class Shard(ServerShard):
        def is_confirmed(self, key: RowKey, sent: StateRow) -> bool:
            return True

    server_shard = Shard


class RemovesMarksWhenSent(ShardSimulation):
    """A mark is removed when its row is sent, not when it has arrived."""

    class Shard(ServerShard):
        def batch(self, receiver: int) -> Rows:
            sent = super().batch(receiver)
            self.outbox -= {(receiver, key) for key in sent}
            return sent

    server_shard = Shard


class ContinuesItsLife(ShardSimulation):
    """A stream shard that was replaced by an older copy continues the life of the copy."""

    def restore_stream_shard(self) -> None:
        lives = [shard.life for shard in self.by_stream]
        super().restore_stream_shard()
        for shard, life in zip(self.by_stream, lives, strict=True):
            shard.life = life


class SendsNothingAgain(ShardSimulation):
    """A server shard ignores that a stream shard is in another life."""

    class Shard(ServerShard):
        def confirm(self, receiver: int, life: int, sent: Rows) -> None:
            self.lives[receiver] = life
            super().confirm(receiver, life, sent)

    server_shard = Shard


class NumbersConditionsAlone(ShardSimulation):
    """The revision of a condition is a number that begins again where an older copy had it."""

    class Shard(ServerShard):
        def condition_revision(self) -> Revision:
            return 1, self.number

    server_shard = Shard


class KeepsItsConditions(ShardSimulation):
    """A server shard that was replaced does not write its conditions again."""

    class Shard(ServerShard):
        def begin_life(self, life: int) -> None:
            self.life = life

    server_shard = Shard


class SendsOnlyWhatIsMarked(ShardSimulation):
    """Without marks nothing is sent, so that nobody learns that a stream shard was replaced."""

    def _send(self, sender: int, receiver: int) -> None:
        if self.by_server[sender].batch(receiver):
            super()._send(sender, receiver)


class MarksAfterTheCommit(ShardSimulation):
    """A row is marked in a transaction of its own, which a crash may prevent."""

    class Shard(ServerShard):
        def mark(self, key: RowKey) -> None:
            if (self.number + len(self.rows)) % 7:
                super().mark(key)

    server_shard = Shard


class SendsConditionsToOneShard(ShardSimulation):
    """The condition of a server is sent to one stream shard only."""

    class Shard(ServerShard):
        def mark(self, key: RowKey) -> None:
            super().mark(key)
            if key.stream < 0:
                self.outbox -= {(1, key)}

    server_shard = Shard


class ConfirmsBeforeTheCommit(ShardSimulation):
    """A stream shard confirms copies that it has not committed when it crashes."""

    def _receive(self, message: Copies | Confirmation) -> None:
        if isinstance(message, Copies) and self._happens("crash before the commit", 0.1):
            life = self.by_stream[message.receiver].life
            self.under_way.append(Confirmation(message.sender, message.receiver, life, message.rows))
        else:
            super()._receive(message)


SHARD_MUTATIONS = (
    KeepsWhatArrivesLast,
    RemovesMarksOfChangedRows,
    RemovesMarksWhenSent,
    ContinuesItsLife,
    SendsNothingAgain,
    NumbersConditionsAlone,
    KeepsItsConditions,
    SendsOnlyWhatIsMarked,
    MarksAfterTheCommit,
    SendsConditionsToOneShard,
    ConfirmsBeforeTheCommit,
)
