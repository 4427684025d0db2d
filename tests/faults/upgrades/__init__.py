"""Reloads and binary upgrades of the media server in a row, several at once, with connection ids that begin again."""
