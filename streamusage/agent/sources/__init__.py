"""The media servers that can be read, one module each, behind `streamusage.agent.source.Source`."""
