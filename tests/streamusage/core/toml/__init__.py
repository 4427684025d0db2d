"""Tests of places in TOML texts."""
