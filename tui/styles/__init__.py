"""Themes and style sheet."""
