"""Files that `qctl` writes for its users: what they are called, where they go, and what stands in them."""
