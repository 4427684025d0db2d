"""What several media servers share: HTTP requests, payloads, identifiers, logs, callbacks, cursors."""
