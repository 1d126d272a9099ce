"""What goes round a job's `handle`."""

from __future__ import annotations

from qcore.middleware.overlap import WithoutOverlapping

__all__ = ["WithoutOverlapping"]
