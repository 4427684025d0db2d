"""The statistics agent: it counts what media servers do, and keeps counting while the network is down.

A reading takes this way:

    sources/    a media server's statistics and log become a `reading.Reading`; one module or folder for each kind
    runner      polls the source, converts times to the agent's clock, and records the reading
    metering/   compares the reading with the last one and returns additions (pure)
    journal/    writes baseline and additions in one transaction; the ledger builds reports from its rows
    sync/       sends reports to the service (`link`) when they are due (`schedule`), until they are acknowledged

`config/` reads the TOML file, `supervisor` runs one agent for each configured server, and `cli` is the command.
`status_file` writes the state of an agent for `status_output` and `metrics`, and `activity` counts what it did.
"""
