"""A shop on Django: its settings and addresses."""
