"""Results on standard output as a table, JSON, one JSON value a line, or CSV, from one description of a row."""

from tui.output.printer import Column, Field, Format, View, print_rows, same_named

__all__ = ["Column", "Field", "Format", "View", "print_rows", "same_named"]
