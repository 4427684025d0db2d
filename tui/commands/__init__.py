"""The client commands: each queries a service and prints the result. One module a command."""
