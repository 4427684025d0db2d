"""HTTP access logs in their common forms: lines to requests."""
