"""The commands of the command line that speak to a service and print what they find. One module a command."""
