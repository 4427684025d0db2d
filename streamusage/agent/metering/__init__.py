"""Metering: turns readings, which are cumulative, into additions to slots, spans, sessions and samples. Pure.

`meter` runs one step for each reading; it uses `counters` (bytes), `audiences` (numbers of viewers), `publishes`
(sessions) and `viewer_matching` (log lines), and returns `additions`, which the journal merges into its rows.
"""
