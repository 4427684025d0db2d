"""What lies between a client and its service: proxies, failures of connections, and how long to wait."""
