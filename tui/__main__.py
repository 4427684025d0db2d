"""Entry point of `python -m tui`, the same as `streamtop`."""

from tui.cli import main

main()
