"""Tests of the options of listing commands."""
