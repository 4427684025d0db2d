"""The model of the daily statistics."""
