"""The store's history: one revision for every change of `schema.py`, applied when the service opens a store."""
