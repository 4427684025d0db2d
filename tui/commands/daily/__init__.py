"""`streamtop daily` and the commands below it."""
