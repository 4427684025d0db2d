"""Routes by the party that uses them: Stream Manager clients, agents, consoles, accounting, operators."""
