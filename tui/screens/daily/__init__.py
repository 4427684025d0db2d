"""Parts of the days view."""
