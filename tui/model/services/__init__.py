"""What is known of several services together: keys, books of trends and history, servers. Pure."""
