"""Tests of the errors of the command line."""
