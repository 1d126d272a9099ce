"""A system that lives: the jobs of a made-up shop, who dispatches them, and hosts that are played by processes."""
