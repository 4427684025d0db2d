"""The store: engines, tables, migrations, the writer, and rows as typed values."""
