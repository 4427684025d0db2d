"""`python -m tui` is `streamtop`."""

from tui.cli import main

main()
