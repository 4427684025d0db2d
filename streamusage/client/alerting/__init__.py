"""Requests about alerts."""
