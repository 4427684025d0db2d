"""Recordings of polls."""
