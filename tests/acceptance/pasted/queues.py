"""Queues as the requirements configure them; `STORES` says where the named stores are."""

from __future__ import annotations

import os

import jobs  # the app module makes its jobs known
from qcore import define_queue

# Database queue (default)
QUEUE_CONFIG = {
    "default": {
        "driver": "database",
        "connection": "default",
        "table": "jobs",
        "queue": "default",
        "retry_after": 3600,
        "max_attempts": 3,
    },
    # Redis queue
    "redis": {
        "driver": "redis",
        "connection": "redis_cache",
        "queue": "default",
        "retry_after": 3600,
        "block_for": 0,
    },
}
STORES = {"redis_cache": os.environ["REDIS_CACHE"]} if "REDIS_CACHE" in os.environ else {}

# High priority queue
define_queue("high-priority",
    connection="redis",
    max_jobs=1000,
    priority_weight=10,
    rate_limit_enabled=True,
    rate_limit_max=100,
    rate_limit_window=60)  # fmt: skip

# Email queue with specific settings
define_queue("emails",
    connection="database",
    max_attempts=5,
    retry_after=300,
    encryption_enabled=True)  # fmt: skip

define_queue("small", max_jobs=2)
