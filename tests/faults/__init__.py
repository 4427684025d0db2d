"""Fault tests: simulated histories, broken rules, power failures."""
