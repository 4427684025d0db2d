"""The console of streamtop, and its command line."""
