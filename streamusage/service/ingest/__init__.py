"""Writes: reports of agents, the usage records that they change, and the removal of servers."""
