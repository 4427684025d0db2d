"""The keyboard: typed keys reach the console in their order, and each acts where the one before it has led.

```
terminal ── bytes ──▶ driver.py ── text ──▶ escapes.py ── text ──▶ Textual's parser ── keys ──▶ held_keys.py ──▶ focus
                                            finds Escape                                        one after another
                                                                                                       ▲
                                     screens that open later: openings.py ── hold, release ────────────┘
```
"""
