"""Figures by stream in the store."""
