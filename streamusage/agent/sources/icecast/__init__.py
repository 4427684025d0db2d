"""Icecast 2.4."""
