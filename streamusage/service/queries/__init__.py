"""Reads: the data of the API's answers, each in one snapshot of the store."""
