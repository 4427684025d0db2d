"""Power failures and damaged pages below real files."""
