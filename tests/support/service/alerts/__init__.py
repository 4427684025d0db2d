"""Helpers of the tests of alerts."""
