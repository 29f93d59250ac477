"""One method of explanation a file; see `inspector.explain.registry`."""
