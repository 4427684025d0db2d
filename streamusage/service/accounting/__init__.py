"""Accounting: hourly rollups, statistics of a day, closing of days, and the ledger of adjustments."""
