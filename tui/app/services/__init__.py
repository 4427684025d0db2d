"""A console of several services: one table, one poller and one client for each."""
