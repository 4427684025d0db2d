"""Results on standard output as a table, JSON, NDJSON or CSV, from one declaration of the columns."""

from tui.output.columns import UTC, Cell, ColumnError, ListColumn, View, attributes
from tui.output.printer import Format, Printing, print_rows

__all__ = ["UTC", "Cell", "ColumnError", "Format", "ListColumn", "Printing", "View", "attributes", "print_rows"]
