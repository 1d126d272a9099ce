"""`qctl dashboard`: Horizon's pages, and more, in the terminal and in a browser."""
