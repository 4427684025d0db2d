"""The public Python library: `Client` and `AsyncClient`, typed answers, and figures that carry their provenance.

Use the names that `streamusage` exports; `docs/library.md` describes them. The modules:

    | module         | content                                                             |
    |----------------|---------------------------------------------------------------------|
    | `async_client` | `AsyncClient`: coroutines and asynchronous iterators                |
    | `client`       | `Client`: the same operations for code without an event loop        |
    | `operations`   | what both do, page by page                                          |
    | `paging`       | pages of lists whose end the service announces                      |
    | `retries`      | which failures are repeated, and after how long                     |
    | `connecting`   | address and token from arguments and the environment                |
    | `instants`     | instants and days between Python's types and UTC milliseconds       |
    | `quantities`   | figures: exact, lower bounds, estimates, reported, unknown          |
    | `sessions`     | sessions and their changes                                          |
    | `days`         | accounting days and sums of them                                    |
    | `servers`      | media servers, covered time, points of a history                    |
"""
