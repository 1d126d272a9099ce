"""Django, in processes of its own: its settings are those of a whole process."""

from __future__ import annotations

import json
import sqlite3

import pytest
from applications import Folder

pytestmark = pytest.mark.slow

ORDER = """
import django
django.setup()
from django.test import Client
answer = Client().post("/orders", {"number": 1, "address": "ann@example.com"}, "application/json")
print(answer.json()["job"])
"""


def test_the_tests_of_the_example_pass(folder: Folder) -> None:
    assert "Ran 3 tests" in folder.manage("test", "orders", QCTL_URL="memory://")


def test_what_the_integration_promises(folder: Folder) -> None:
    """The tests in `django_cases.py`, run as Django runs tests."""
    told = folder.manage("test", "django_cases", QCTL_URL="memory://")
    assert "\nOK\n" in told
    assert "Ran 15 tests" in told


def test_an_order_is_worked_by_a_worker_of_django(folder: Folder) -> None:
    folder.manage("migrate", "--run-syncdb")
    example = {"DJANGO_SETTINGS_MODULE": "shop.settings"}
    folder.manage("shell", "--no-imports", "-c", ORDER, **example)
    told = folder.manage("qctl", "work", "--queue", "emails,counts", "--stop-when-empty", "--processes", "2")
    assert '"outcome": "completed"' in told
    with sqlite3.connect(folder.path / "shop.db") as database:
        assert database.execute("select receipt from orders_order").fetchall() == [("sent to ann@example.com",)]
    stats = json.loads(folder.manage("qctl", "stats", "--json"))
    assert stats["data"]["totals"]["completed"] == 1
    assert stats["backend"]["url"] == folder.url


def test_the_command_ends_as_qctl_does(folder: Folder) -> None:
    assert folder.manage("qctl", "bogus", expect=2).startswith("error: no command 'bogus'")
    assert folder.manage("qctl", "work", "--help").startswith("Usage: qctl work")
    assert folder.manage("qctl", "stats", "--url", "redis://127.0.0.1:1/0", expect=4).startswith("error: ")


def test_a_wrong_setting_is_said_in_a_line(folder: Folder) -> None:
    told = folder.manage("check", expect=1, QCTL_URL="nonsense")
    assert told.splitlines()[-1].startswith("qcore.errors.ConfigurationError: environment QCTL_URL")
