"""A store on a Redis server: every verb is one Lua script, so it happened wholly or not at all.

`driver`, `operator` and `reader` are the three faces of the store; `keys` tells of every key, `lua/` holds the
scripts, `scripts` loads them, `wire` packs what goes to them and back, `server` is the way there, `address` and
`seeking` find it, `wakeup` waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.redis.driver import RedisDriver
from qcore.drivers.redis.flows import RedisFlows
from qcore.drivers.redis.operator import RedisOperator
from qcore.drivers.redis.reader import RedisReader

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings


class RedisStore(RedisDriver, RedisOperator, RedisReader, RedisFlows):
    """The three faces of a Redis store, joined."""


def open_redis(settings: ConnectionSettings) -> RedisStore:
    """Open the store of a connection; nothing is connected before the first verb.

    Raises:
        ConfigurationError: the URL is no address of a Redis server, of Sentinels or of a Cluster.
    """
    return RedisStore(settings)
