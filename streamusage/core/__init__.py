"""Types and rules that everything else shares: usage records, coverage, accounting days, reasons, the clock."""
