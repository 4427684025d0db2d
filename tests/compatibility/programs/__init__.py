"""Programs of today and of earlier commits, and the media servers that they read."""
