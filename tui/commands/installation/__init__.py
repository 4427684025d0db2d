"""Commands about the installation: the files that it carries, and what runs without an extra."""
