"""`streamtop reconcile`: compares the service's figures with an outside account."""
