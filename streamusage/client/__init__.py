"""Client of the usage API: transport, errors, decoding in slices, schema drift. Use `usage_client.UsageClient`."""
