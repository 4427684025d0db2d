"""Figures of a whole estate for metrics: totals, yesterday and today by server and scope, and who is present.

`snapshot` puts the others together: `totals` (all that was reported), `server_days`, `scope_days` and `present`.
"""
