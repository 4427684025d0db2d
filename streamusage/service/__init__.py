"""The usage service: HTTP routes over a store, and the rules that turn agents' reports into figures.

Folders, each of which imports only those below it (import-linter checks this):

- `http`: the ASGI application, its routes and OpenAPI document, request parsing, connection limits.
- `alerts`: rules about the state of the estate, the life of an alert, messages to receivers, which process sends.
- `ingest` and `queries`: writes of reports, sessions and server removals; reads for the routes.
- `accounting`: hours, accounting days, closing, the ledger of adjustments to closed days, the check of a store.
- `store`: tables, migrations, the engines SQLite and PostgreSQL, the writer thread, rows as typed values.
- `rules`: pure functions without clock, store or HTTP: applying a report, coverage, rollups, percentiles, sessions.

The way of a report: `http` authenticates, limits and decodes it; the store's writer thread gathers writes into one
commit; `ingest` loads the rows that the report touches; the rules decide what changes; `ingest` saves that, updates
usage records and, through `accounting`, the hours and closed days that the report reaches; the acknowledgement is sent
after the commit.

Beside the folders: `server` starts and stops everything and runs the periodic jobs, `cli` is the command, `serving` has
its options, address and certificate, the check of a start and the watchdog, `store_commands` is the group `streamtop
store` with `accept_time_command`, `token_command` the group `streamtop token`, `tokens` decides who may do what,
`customers_file` reads the rules of customers, `file_faults` describes wrong entries of files, `trusted_clock` is the
service's time, `retention` discards old rows by the writes of `retention_round`, `part_applier` applies large reports
in parts, `metrics` is what Prometheus reads, `limits` declares what one party may send, `errors` is the tree of
exceptions.
"""
