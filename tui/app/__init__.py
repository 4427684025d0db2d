"""Wiring of the console: app, ports, state, poller, fetcher, exporter."""
