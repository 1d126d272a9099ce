"""Fingerprint every file of a folder, one job a file."""
