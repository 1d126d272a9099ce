"""Frameworks, each in a module of its own: `starlette`, `fastapi`, `flask`, `django`. None is imported unasked."""
