"""Tests of completion and man pages."""
