"""Sync: the periodic report to the service. `link` sends it, `schedule` decides when the next attempt is due."""
