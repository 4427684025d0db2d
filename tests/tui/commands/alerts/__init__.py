"""Tests of the commands about alerts."""
