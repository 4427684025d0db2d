"""`streamtop docs`: the documentation in the terminal, without a network.

| module      | content                                                              |
|-------------|----------------------------------------------------------------------|
| `command`   | the command: its arguments, the pager, errors                        |
| `topics`    | which pages there are, in which groups and order                     |
| `pages`     | where the pages are, their names, titles and sections                |
| `search`    | finds words in pages                                                 |
| `links`     | links between pages as topics                                        |
| `tables`    | widths of a table's columns, or that it does not fit                 |
| `rendering` | a page as text of a terminal                                         |
"""
