"""Orders, and their receipts."""
