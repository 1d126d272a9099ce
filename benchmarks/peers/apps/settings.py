"""Where the stores are and which variant of a peer is measured."""

import os

REDIS_URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
PG_URL = os.environ.get("BENCH_PG_URL", "postgresql://postgres@127.0.0.1:5432/bench")
SQLITE_PATH = os.environ.get("BENCH_SQLITE_PATH", "bench-peers.db")
VARIANT = os.environ.get("BENCH_VARIANT", "")
