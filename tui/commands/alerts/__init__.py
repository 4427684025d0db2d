"""Commands about the alerts of the service."""
