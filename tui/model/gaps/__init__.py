"""The model of the gap view."""
