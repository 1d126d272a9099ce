"""`qctl top`: the htop of queues."""
