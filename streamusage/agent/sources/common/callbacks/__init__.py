"""Callbacks of media servers: the listener with its spool, the reader of it, and checks of the operator."""
