"""A shop on FastAPI, whose receipts are sent after the response."""
