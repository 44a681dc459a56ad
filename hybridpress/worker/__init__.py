"""Makes the load: one process, one event loop, its slots."""
