"""The commands, one a file: `run` is the command, EXAMPLES and EXITS the end of its help."""
