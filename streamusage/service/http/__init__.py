"""The HTTP side: application, routes, request parsing, responses, OpenAPI and connection limits."""
