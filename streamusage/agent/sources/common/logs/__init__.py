"""Log files of media servers: followed through rotation, and relied on only as far as they are understood."""
