"""A write that occupies the writer until a test releases it."""

import threading

from sqlalchemy import Connection

from tests.support.waiting import LONGEST_WAIT_S


class HeldWrite:
    """A write that waits until it is released, so that later writes form one group."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, connection: Connection) -> None:
        self.began.set()
        assert self.go.wait(LONGEST_WAIT_S)
