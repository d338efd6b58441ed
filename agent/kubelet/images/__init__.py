"""Images on this host: pulling, credentials, garbage collection. `manager` is what containers ask."""
