"""Alerts of the service: rules find conditions, states decide what is sent, receivers get it in their own form."""
