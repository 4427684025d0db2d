"""Evidence for billed figures: canonical statements, keys that sign them, and the chain of closings."""
