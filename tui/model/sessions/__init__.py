"""The model of the session table."""
