"""Tests of themes and colours."""
