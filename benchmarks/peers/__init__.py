"""Ours beside the peers in one run, rounds interleaved."""
