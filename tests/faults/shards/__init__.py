"""A store in several databases, simulated."""
