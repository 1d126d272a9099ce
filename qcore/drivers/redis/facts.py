"""What a server tells of itself in `INFO`, which managed ones answer too."""

from __future__ import annotations

from typing import Any

from qcore.records import Trait

_KEEPS_ALL = "noeviction"


def facts_in(info: bytes) -> dict[str, Any]:
    """Read the fields of `StoreFacts` out of the answer to `INFO`."""
    pairs = (line.partition(":") for line in info.decode("utf-8", "replace").splitlines() if ":" in line)
    said = {name: value.strip() for name, _, value in pairs}
    return {
        "product": "Valkey" if "valkey_version" in said else "Redis",
        "version": said.get("valkey_version") or said.get("redis_version", ""),
        "memory_bytes": _number(said.get("used_memory")),
        "memory_limit_bytes": _number(said.get("maxmemory")),
        "eviction": _eviction(said.get("maxmemory_policy")),
        "durability": tuple(_durability(said)),
        "writing": _writing(said),
    }


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _eviction(policy: str | None) -> Trait | None:
    if policy is None:
        return None
    if policy == _KEEPS_ALL:
        return Trait(name="maxmemory-policy", value=policy)
    return Trait(
        name="maxmemory-policy",
        value=policy,
        risk="when its memory is full the server drops keys, and with them jobs",
        remedy=f"CONFIG SET maxmemory-policy {_KEEPS_ALL}, and the same in redis.conf",
        is_grave=True,
    )


def _writing(said: dict[str, str]) -> Trait | None:
    if "role" not in said:
        return None
    reads_only = said["role"] == "slave" and said.get("slave_read_only") != "0"
    role = "replica" if said["role"] == "slave" else said["role"]
    return Trait.of_writing("role", role, reads_only=reads_only, remedy="let the URL lead to the master")


def _durability(said: dict[str, str]) -> list[Trait]:
    traits = []
    if said.get("aof_enabled") == "1":
        traits.append(Trait(name="appendonly", value="yes"))
    elif "aof_enabled" in said:
        risk = "a crash of the server loses every job since its last snapshot"
        remedy = "CONFIG SET appendonly yes, and the same in redis.conf"
        traits.append(Trait(name="appendonly", value="no", risk=risk, remedy=remedy))
    for name in ("aof_last_write_status", "rdb_last_bgsave_status"):
        if said.get(name, "ok") != "ok":
            risk = "the server could not write to its disk, and may refuse jobs"
            remedy = "look at the server's disk and log"
            traits.append(Trait(name=name, value=said[name], risk=risk, remedy=remedy, is_grave=True))
    return traits
