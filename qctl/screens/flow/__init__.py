"""One batch, chain or graph, whole: a screen of its own, in front of the list that it was opened from."""
