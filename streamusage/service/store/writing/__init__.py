"""Writes of the store: the thread that runs them, the locks they hold, and what a group of them does at its end."""
