"""`streamtop agent init`: finds the media server of this machine and writes the agent's configuration."""
