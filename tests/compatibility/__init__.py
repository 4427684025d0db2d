"""Proof that today's program answers, reads and accepts what commit 5a03cd4 did.

Nothing in this folder imports a module of the program. The tests run the program as a user does (`python -m tui`) and
talk HTTP to it, so that they do not care where its code lives. `record.py` produced the files in `fixtures/`.
"""
