"""The usage service: HTTP routes over a store, and the rules by which agents' reports are applied.

The way of a report: `protocol` reads a connection, `direct_reports` takes what is plain and `agents` what is not,
`writer` gathers writes into commits, `reports` loads and writes, and `apply` decides, without clock or store.

- Rules, pure: `apply`, `joining`, `figures`, `percentile`.
- Store: `store` opens it on `sqlite_engine` or `postgresql_engine`; `schema` and `ledger_schema` are its tables, of
  `columns`, which `migrations` make; `sql`, `prepared` and `writer` write.
- What is kept, each with its own rule: `states` and `sessions` of servers, `records`, `changes`, `audit`, `estate`,
  `hours`, `days_ledger`, `closing`, `retention`.
- What is read: `record_list`, `change_queries`, `coverage_queries` over `spans`, `history_queries`, `trends`,
  `carriers`, `orphan_queries`, `day_figures`, `daily_queries`, `daily_sums`, `metrics` with `request_figures`.
- Routes: `documented`, `extension`, `agents`, `operations`, `daily_routes`, made one by `app` over a `context`;
  `requests` reads what is asked, `tokens` says who may, `answering` and `errors` answer, `described` describes, with
  `examples`.
- Connections: `protocol` with `plain_request` and `deadline`.
- `run` starts and stops all of it, `main` is the command.
"""
