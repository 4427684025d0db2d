"""Silences of the alerts of a service, begun and ended in the console."""
