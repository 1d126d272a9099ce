"""A user's folder with one application module, the tool in a process of its own, and the published schemas."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shop import ROOT, Schemas, Shop


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return Schemas(ROOT / "qctl" / "schemas")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A folder in which nothing was ever dispatched."""
    return Shop.opened(tmp_path)


@pytest.fixture(scope="session")
def model_of_busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    shop = Shop.opened(folder)
    shop.qctl("dispatch", "shop:Add", "[1, 2]")
    for _ in range(2):
        shop.qctl("dispatch", "shop:Boom", '{"text": "no \\u001b[31mink"}', "--queue", "mail")
    shop.qctl("work", "--queue", "default,mail", "--tries", "1", "--stop-when-empty", "--quiet")
    shop.qctl("dispatch", "shop:Add", "[3, 4]")
    shop.qctl("dispatch", "shop:Add", "[5, 6]", "--delay", "1h")
    return folder


@pytest.fixture
def busy(model_of_busy: Path, tmp_path: Path) -> Shop:
    """On `default` one job completed, one pending, one delayed by an hour; on `mail` two failed ones."""
    shutil.copytree(model_of_busy, tmp_path, dirs_exist_ok=True)
    return Shop(tmp_path)
