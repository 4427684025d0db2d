"""Connections that the media server refused: a publish whose name is taken or denied, a play that is denied. Pure.

A server logs them like any other. They transfer commands only: those repeat the names that the client chose, so that
their size depends on these. A publish with media exceeds that within a fraction of a second.
"""

COMMAND_BYTES = 1024
"""Bytes of an RTMP publisher's commands without its names; real ones take 300 to 600."""

NAME_REPETITIONS = 4
"""How often the commands of a publisher repeat its names, at most."""

RTMP_HANDSHAKE_BYTES = 3073
"""What a client sends before its first command; not every server counts it."""

REFUSED_BYTES_OUT = 400
"""nginx-rtmp sends 292 bytes to a client before it denies the play or publish, and 409 or more if it accepts it."""


def has_no_media(bytes_in: int, *names: str, handshake_bytes: int = 0) -> bool:
    """Return whether a publisher sent no more than the commands with these names."""
    return bytes_in <= handshake_bytes + COMMAND_BYTES + NAME_REPETITIONS * sum(map(len, names))
