"""What a shell and a reader of manuals know of the commands: completion and man pages."""
