"""Runs commands in a terminal of 80 by 24 cells, types `q` at each text that it shows, and exits with their exit code.

python -m tests.support.real.in_terminal COMMANDS TEXT...

After each `q`, the next text is looked for once the program has left the alternate screen.
"""

import fcntl
import math
import os
import pty
import re
import select
import struct
import sys
import termios
import time

_SEQUENCE = re.compile(rb"\x1b\[[0-9;?<>=]*[A-Za-z]")
_ENTERED, _LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
_LONGEST_WAIT_S = 180.0
"""From taking over the screen to the text, and from `q` to leaving it; tests.support.waiting has the reason."""


def main() -> int:
    """Return the exit code of the commands; 1 if a text was not shown."""
    commands, *texts = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("bash", ["bash", "-euo", "pipefail", "-c", commands])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown, is_leaving, ends_at = b"", False, math.inf
    while received := _read(terminal, ends_at):
        shown += received
        if is_leaving and _LEFT in shown:
            shown, is_leaving, ends_at = shown.partition(_LEFT)[2], False, math.inf
        if ends_at == math.inf and _ENTERED in shown:
            ends_at = time.monotonic() + _LONGEST_WAIT_S
        if texts and not is_leaving and texts[0].encode() in _SEQUENCE.sub(b"", shown):
            del texts[0]
            shown, is_leaving, ends_at = b"", True, time.monotonic() + _LONGEST_WAIT_S
            os.write(terminal, b"q")
    os.close(terminal)  # ends what still runs in it
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code or texts:
        print(shown[-4000:].decode("utf-8", "replace"))
        print("\n".join([f"not shown: {text}" for text in texts] or [f"the commands ended with {code}"]))
    return code or int(bool(texts))


def _read(terminal: int, ends_at: float) -> bytes:
    """Return what is shown next; nothing if the commands have ended or the time is over."""
    wait_s = None if ends_at == math.inf else max(0.0, ends_at - time.monotonic())
    if not select.select([terminal], [], [], wait_s)[0]:
        return b""
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the commands have ended
        return b""


if __name__ == "__main__":
    sys.exit(main())
