"""What alerts keep in the store: states, messages, receivers, silences, and which process sends."""
