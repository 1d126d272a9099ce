"""A store in this process's own memory: what the memory and the sync driver are built on.

`shelf` keeps the jobs and moves them, `registry` knows the workers; `working`, `operating` and `reading` are the three
faces of a driver; `driver` joins them.
"""

from __future__ import annotations

from qcore.drivers.shelf.driver import ShelfDriver

__all__ = ["ShelfDriver"]
