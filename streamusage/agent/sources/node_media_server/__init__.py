"""Node-Media-Server 4."""
