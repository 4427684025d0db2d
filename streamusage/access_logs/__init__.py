"""Lines of access logs as values, for the agents that count them and for the comparison with them."""
