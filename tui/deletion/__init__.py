"""Deleting usage records: plan, journal, execution, and the flow from request to verification."""
