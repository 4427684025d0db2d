"""Comparison of the service's daily statistics with an outside account: a log or an invoice. Pure."""
