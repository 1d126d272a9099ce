"""Users' own commands: their signatures, what they can say and ask, and where they are found."""
