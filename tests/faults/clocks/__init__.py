"""Simulated histories in which every clock may be wrong."""
