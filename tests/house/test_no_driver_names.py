"""Nothing above the drivers asks which store it talks to: what a store can do is a capability."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from sources import FILES, Source

STORES = {
    "database", "sqlite", "postgres", "postgresql", "mysql", "mariadb", "redis", "rediss",
    "memory", "sync", "null", "failover",
}  # fmt: skip
MAY_KNOW = ("qcore/drivers/", "qcore/config", "qctl/context.py")
ABOVE = [source for source in FILES if not str(source).startswith(MAY_KNOW)]


def compared(tree: ast.AST) -> Iterator[ast.AST]:
    """What a program decides by: both sides of comparisons, patterns, and beginnings or ends of strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.MatchValue):
            yield node
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("startswith", "endswith"):
            yield from node.args


def stores_asked_for(tree: ast.AST) -> list[str]:
    """The names of stores among what a program decides by."""
    return [
        f"line {node.lineno}: {node.value!r}"
        for part in compared(tree)
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        and re.split(r"[:+/]", node.value.lower())[0] in STORES
    ]  # fmt: skip


@pytest.mark.parametrize("source", ABOVE, ids=str)
def test_no_store_is_asked_for_by_name(source: Source) -> None:
    assert stores_asked_for(source.tree) == []


@pytest.mark.parametrize(
    "seeded",
    [
        "if driver == 'redis': pass",
        "x = settings.driver in {'sync', 'null'}",
        "match driver:\n    case 'database' | 'memory': pass",
        "if url.startswith(('postgresql+psycopg://', 'mysql')): pass",
    ],
)
def test_a_seeded_one_is_caught(seeded: str) -> None:
    assert stores_asked_for(ast.parse(seeded)) != []


def test_a_mere_mention_is_no_comparison() -> None:
    assert stores_asked_for(ast.parse("DRIVERS = ['redis']\nopen_store(driver='memory')")) == []
