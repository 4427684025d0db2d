"""What the commands that list rows share: `--format`, `--columns`, `--sort`, `--no-headers`, `--limit`, `--watch`."""

from tui.commands.listing.options import LISTING_OPTIONS, ListedRows, ListingOptions, listing_options
from tui.commands.listing.show import show

__all__ = ["LISTING_OPTIONS", "ListedRows", "ListingOptions", "listing_options", "show"]
