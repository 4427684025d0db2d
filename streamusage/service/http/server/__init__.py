"""The HTTP/1.1 server: connections with limits, and one exchange after another on each. It knows no route."""
