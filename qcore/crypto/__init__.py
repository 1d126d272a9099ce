"""Keys, and what is sealed with them: bytes in, bytes out. Signing needs the standard library alone."""
