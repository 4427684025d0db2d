"""Wiring of the console: app, ports, state, poller, fetcher, exporter.

Frames are drawn when something changed, at most 240 a second: a key waits 2 ms on average for its frame, instead of
8 ms at Textual's 60. Textual reads the variable when it is imported, so it is set here, before any module of the
package; a value of the user's own stays.
"""

import os

os.environ.setdefault("TEXTUAL_FPS", "240")
