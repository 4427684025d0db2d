"""The page of the alerts of the service."""
