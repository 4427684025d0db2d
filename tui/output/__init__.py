"""Results on standard output as a table, JSON, NDJSON or CSV, from one description of a row."""

from tui.output.printer import CsvField, Format, TableColumn, View, print_rows, same_named

__all__ = ["CsvField", "Format", "TableColumn", "View", "print_rows", "same_named"]
