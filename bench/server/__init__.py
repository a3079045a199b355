"""A load test of the sync server, beside a server that stores nothing."""
