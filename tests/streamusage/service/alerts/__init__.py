"""Tests of the alerts of the service."""
