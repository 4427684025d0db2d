"""Lines of outside accounts as entries: one module for each kind of account. Pure."""
