"""Where things are in a TOML text."""
