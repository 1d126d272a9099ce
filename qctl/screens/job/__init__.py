"""One job, whole: a screen of its own, in front of the list that it was opened from."""
