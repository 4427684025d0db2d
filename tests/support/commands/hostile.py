"""A Stream Manager whose stream names try to harm a terminal, a path or a spreadsheet."""

from tests.support.plain_manager import PlainManager, wire

TOKEN = {"STREAMTOP_TOKEN": "xyz123"}
HOSTILE = ["[red]x", "\x1b[2J", "../..", "a/b", "=1+1", "\u202ereversed", "x" * 4000, "50%2Foff", "naïve 日本"]


def hostile_manager() -> PlainManager:
    """Return a Stream Manager with one record of each hostile name."""
    return PlainManager(*(wire(name, start=1000 + at) for at, name in enumerate(HOSTILE)))
