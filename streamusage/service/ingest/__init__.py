"""Writes: reports of agents, the usage records that they change, and the removal and repair of servers."""
