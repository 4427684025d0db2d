"""Settings of the console and the commands, and the remembered view."""
