"""Bad input and bad surroundings: one clear line each, the right code, never a traceback."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow

READING = [["stats"], ["jobs"], ["failed"], ["show", "x"], ["dispatch", "shop:Add", "[1]"], ["migrate"]]
EVERY = [*READING, ["retry", "all"], ["work", "--stop-when-empty"]]


FEW = [["stats"], ["dispatch", "shop:Add", "[1]"], ["work", "--once"], ["migrate"]]


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def the_line(shop: Shop, words: list[str], code: int, **env: str) -> str:
    """The one line of a call that must fail; a hint may follow it."""
    first, *rest = shop.qctl(*words, expect=code, **env).err.splitlines()
    assert first.startswith("error: ")
    assert not first.startswith("error: unexpected"), first
    assert all(line.startswith("hint: ") for line in rest), rest
    assert len(rest) <= 1
    return first


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        *(("redis", words) for words in EVERY),
        *((scheme, words) for scheme in ("postgresql+psycopg", "mysql+pymysql") for words in FEW),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_store_that_does_not_answer(scheme: str, words: list[str], shop: Shop) -> None:
    line = the_line(shop, words, 4, QCTL_URL=f"{scheme}://app:hunter2@127.0.0.1:{free_port()}/0")
    assert "hunter2" not in line


def test_it_answers_in_json_too(shop: Shop, schemas: Schemas) -> None:
    ended = shop.qctl("stats", "--json", expect=4, QCTL_URL=f"redis://127.0.0.1:{free_port()}/0")
    schemas.check("error", ended.json())
    assert ended.json()["error"]["code"] == "backend_unreachable"


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_a_file_that_is_no_database(words: list[str], shop: Shop) -> None:
    path = shop.folder / "queue.db"
    path.write_bytes(b"this is no database at all\n" * 1000)
    assert "queue.db" in the_line(shop, words, 4)
    assert path.read_bytes().startswith(b"this is no database")


def test_a_database_cut_in_the_middle(busy: Shop) -> None:
    path = busy.folder / "queue.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192)
    assert "queue.db" in the_line(busy, ["jobs"], 4)


def as_an_ordinary_user() -> list[str]:
    """What to put before a command so that file modes hold for it; root passes over them."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write anywhere, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("words", [["stats"], ["dispatch", "shop:Add", "[1]"], ["work", "--once"]], ids=" ".join)
def test_a_folder_that_may_not_be_written(words: list[str], shop: Shop) -> None:
    shop.before = as_an_ordinary_user()
    shop.folder.chmod(0o555)
    assert "queue.db" in the_line(shop, words, 4)
    assert not (shop.folder / "queue.db").exists()


def test_a_database_that_may_not_be_written(busy: Shop) -> None:
    busy.before = as_an_ordinary_user()
    for path in busy.folder.glob("queue.db*"):
        path.chmod(0o444)
    busy.folder.chmod(0o555)
    assert "queue.db" in the_line(busy, ["dispatch", "shop:Add", "[1]"], 4)


def test_a_key_file_that_may_not_be_read(busy: Shop) -> None:
    busy.before = as_an_ordinary_user()
    (busy.folder / "queue.db.key").chmod(0o000)
    assert "queue.db.key" in the_line(busy, ["dispatch", "shop:Add", "[1]"], 5)


def test_a_folder_that_is_not_there(shop: Shop) -> None:
    assert "nowhere" in the_line(shop, ["stats"], 4, QCTL_URL="sqlite:///nowhere/queue.db")


@pytest.mark.parametrize(
    ("text", "clue"),
    [
        ("url = ", "qctl.toml"),
        ("url = 7\n", "url"),
        ("[connections.a]\ndriver = 'abacus'\n", "abacus"),
        ("\xff", "qctl.toml"),
    ],
)
def test_a_bad_configuration_file(text: str, clue: str, shop: Shop) -> None:
    (shop.folder / "qctl.toml").write_bytes(text.encode("latin-1"))
    assert clue in the_line(shop, ["stats"], 5)


@pytest.mark.parametrize(
    ("words", "clue"),
    [
        (["--config", "none.toml", "stats"], "none.toml"),
        (["--profile", "none", "stats"], "none"),
        (["--url", "gopher://x", "stats"], "gopher"),
        (["--url", "nonsense", "stats"], "--url"),
        (["--connection", "none", "stats"], "none"),
        (["--app", "no_such_module", "stats"], "no_such_module"),
        (["migrate", "-c", "none"], "none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_setting(words: list[str], clue: str, shop: Shop) -> None:
    assert clue in the_line(shop, words, 5)


@pytest.mark.parametrize("text", ["1 / 0", "def broken(:", "import no_such_module"])
def test_an_application_that_cannot_be_imported(text: str, shop: Shop) -> None:
    (shop.folder / "shop.py").write_text(text + "\n")
    assert "shop" in the_line(shop, ["stats"], 5)
    assert "Traceback" in shop.call("stats", "--debug").err


def test_a_key_that_is_none(shop: Shop) -> None:
    assert "hunter2" not in the_line(shop, ["dispatch", "shop:Add", "[1]"], 5, QCTL_KEY="hunter2")


@pytest.mark.parametrize("job_id", ["", "x", "0" * 1000, "'; drop table jobs; --", "\x1b[2J", "日本"])
def test_ids_that_are_none(job_id: str, busy: Shop) -> None:
    for words in (["show", job_id], ["retry", job_id], ["forget", job_id]):
        assert "\x1b" not in the_line(busy, words, 3)
    assert busy.count("failed") == 2


def test_arguments_too_large(shop: Shop) -> None:
    line = shop.qctl("dispatch", "shop:Boom", "-", stdin=f'["{"x" * 5_000_000}"]', expect=1).err
    assert "bytes is above the limit" in line


def test_a_module_in_the_way_of_the_tool(shop: Shop) -> None:
    (shop.folder / "json.py").write_text("raise RuntimeError('not me')\n")
    (shop.folder / "typing.py").write_text("raise RuntimeError('not me')\n")
    assert Path(shop.folder, "json.py").exists()
    shop.environment.pop("PYTHONPATH")
    assert shop.qctl("--version").out.startswith("qctl ")
    assert shop.call("help", "config").code == 0
