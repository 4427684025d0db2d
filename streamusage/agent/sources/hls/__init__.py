"""HLS viewers from an HTTP access log."""
