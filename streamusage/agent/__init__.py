"""The statistics agent: source -> meter -> journal -> sync-up. It counts while the network is down."""
