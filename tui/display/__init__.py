"""The display stage: a shadow of the terminal's screen, from which only cells that differ are written.

```
Textual ── frame ──▶ frames.py ── cells ──▶ stage.py ── lines ──▶ lines.py ── moves, styles, text ──▶ terminal
                     parses                 remembers    scrolling.py
                                            what is shown
```

The core is pure: text in, text out. It knows neither Textual nor the rest of the console; `driver.py` alone connects it
to Textual. `docs/decisions/0011-display-stage.md` has the reasons.
"""
