"""The agent's configuration file, and the secrets that it refers to."""
