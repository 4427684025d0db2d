"""What `streamtop serve` needs around the service: options, address and certificate, check of a start, watchdog."""
