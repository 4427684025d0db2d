"""One module per database engine, with the same three functions: `writer`, `readers`, `migration_transaction`."""
