"""Widgets that draw the console's state."""
