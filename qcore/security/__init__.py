"""Jobs that not everybody may run or read."""

from __future__ import annotations

from qcore.security.permissions import authorize_job
from qcore.security.secure_job import SecureJob

__all__ = ["SecureJob", "authorize_job"]
