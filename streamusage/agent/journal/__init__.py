"""The agent's journal: everything that was counted, and how much of it the service has acknowledged.

`protocol` describes a journal and its transactions; `sqlite` implements it in a file, `salvage` recovers damaged files.
`rows` merges rows, `slot_streams` those by stream, `folding` writes additions into them, and `ledger` contains the
rules: what a transaction writes, what a report contains, and what an acknowledgement means. `outages` records failed
syncs.
"""
