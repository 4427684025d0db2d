"""Tables that an engine may divide by time: what is discarded as a whole, and rows that lie in one period only."""
