"""Which stream a requested path belongs to. Pure."""
