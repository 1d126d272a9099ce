"""The dashboard in a browser: the same screens, and the numbers as JSON, for whoever has the token."""
