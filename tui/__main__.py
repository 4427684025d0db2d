"""Entry point of `streamtop` and of `python -m tui`."""

from tui import gc_tuning


def main() -> None:
    """Run the command line and exit."""
    gc_tuning.pause_collections()  # before the first import of a library
    from tui.cli import main as run

    run()


if __name__ == "__main__":
    main()
