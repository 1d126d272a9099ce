"""Keys and secrets at the command line: what they hide stays hidden, and who may not run a job is told so."""

from __future__ import annotations

import re
import sqlite3

import pytest
from shop import Schemas, Shop

VAULT = '''
"""Jobs with secrets."""
from qcore import Job, SecureJob, ShouldBeEncrypted


class Keep(Job, ShouldBeEncrypted):
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def handle(self) -> str:
        return self.secret


class Charge(SecureJob):
    max_tries = 1

    def __init__(self, card: str, amount: int) -> None:
        super().__init__()
        self.card, self.amount = card, amount
        self.set_sensitive_fields(["card"])
        self.set_required_permissions(["process_payments"])

    def handle(self) -> None:
        if self.amount > 100:
            raise ValueError(f"{self.card} has no {self.amount}")
'''
SECRET = "4111-2222-3333"


@pytest.fixture
def vault(shop: Shop) -> Shop:
    (shop.folder / "vault.py").write_text(VAULT)
    shop.environment["QCTL_APP"] = "vault"
    return shop


def files_of(vault: Shop) -> bytes:
    with sqlite3.connect(vault.folder / "queue.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return b"".join(path.read_bytes() for path in vault.folder.glob("queue.db*") if path.suffix != ".key")


def test_no_screen_log_or_file_shows_a_secret(vault: Shop) -> None:
    kept = vault.qctl("dispatch", "vault:Keep", f'["{SECRET}"]').out.strip()
    charged = vault.qctl("dispatch", "vault:Charge", f'["{SECRET}", 500]').out.strip()
    log = vault.qctl("work", "--stop-when-empty", "--log", "json", "--grant", "process_payments")
    pages = [vault.qctl("show", job_id, *form) for job_id in (kept, charged) for form in ([], ["--json"])]
    pages += [vault.qctl(*words, "--json") for words in (["jobs"], ["failed"], ["stats"])]
    assert [page for page in [log, *pages] if SECRET in page.out + page.err] == []
    assert SECRET.encode() not in files_of(vault)
    assert re.search(r"^arguments +•••\nresult +•••$", pages[0].out, flags=re.MULTILINE)
    assert "•••, 500" in pages[2].out
    assert "ValueError: ••• has no 500" in pages[2].out


def test_a_worker_without_the_grant_refuses(vault: Shop) -> None:
    vault.qctl("dispatch", "vault:Charge", f'["{SECRET}", 5]')
    vault.qctl("work", "--stop-when-empty", "--quiet")
    (error,) = vault.qctl("failed", "--format", "{error}").lines()
    assert error == (
        "qcore.errors.PermissionDenied: vault:Charge requires 'process_payments', which this worker is not granted"
    )
    vault.qctl("retry", "all")
    vault.qctl("work", "--stop-when-empty", "--quiet", QCTL_GRANT="process_payments")
    assert vault.count("completed") == 1


def test_a_pair_lets_workers_run_what_they_cannot_forge(vault: Shop, schemas: Schemas) -> None:
    answer = vault.qctl("key:generate", "--ed25519", "--json").json()
    schemas.check("key_pair", answer)
    signing, verifying = answer["data"]["signing_key"], answer["data"]["verify_key"]
    vault.qctl("dispatch", "vault:Keep", f'["{SECRET}"]', QCTL_SIGNING_KEY=signing)
    refused = vault.qctl("dispatch", "vault:Keep", '["x"]', QCTL_VERIFY_KEYS=verifying, expect=5)
    assert "QCTL_SIGNING_KEY" in refused.err
    vault.qctl("dispatch", "vault:Keep", '["x"]')  # signed with the key file that the worker has too
    vault.qctl("work", "--stop-when-empty", "--quiet", QCTL_VERIFY_KEYS=verifying)
    assert (vault.count("completed"), vault.count("failed")) == (1, 1)
    assert "SignatureError: the payload is not signed with Ed25519" in vault.qctl("failed").out


def test_a_pair_is_printed_as_it_is_assigned_and_kept_in_a_file(vault: Shop) -> None:
    signing, verifying = vault.qctl("key:generate", "--ed25519").lines()
    assert signing.startswith("QCTL_SIGNING_KEY=ed25519:")
    assert verifying.startswith("QCTL_VERIFY_KEYS=ed25519-public:")
    path = vault.folder / ".env"
    path.write_text("OTHER=1\n")
    vault.qctl("key:generate", "--ed25519", "--write", ".env")
    before = path.read_text()
    assert before.startswith("OTHER=1\nQCTL_SIGNING_KEY=ed25519:")
    vault.qctl("key:generate", "--ed25519", "--write", ".env", expect=6)
    assert path.read_text() == before


def test_config_never_shows_a_signing_key(vault: Shop) -> None:
    signing = vault.qctl("key:generate", "--ed25519", "-o", "name").out.strip()
    assert signing.startswith("ed25519:")
    for form in ([], ["--json"]):
        assert signing not in vault.qctl("config", *form, QCTL_SIGNING_KEY=signing).out


@pytest.mark.parametrize("name", ["QCTL_SIGNING_KEY", "QCTL_VERIFY_KEYS"])
def test_a_key_that_is_none_is_said_in_one_line(vault: Shop, name: str) -> None:
    ended = vault.qctl("dispatch", "vault:Keep", '["x"]', expect=5, **{name: "nonsense"})
    assert "key begins with" in ended.err
    assert "nonsense" not in ended.err
    assert "Traceback" not in ended.err


def test_rotation_tells_what_it_did(vault: Shop, schemas: Schemas) -> None:
    old, new = (vault.qctl("key:generate").out.strip() for _ in range(2))
    for number in range(3):
        vault.qctl("dispatch", "vault:Keep", f'["{number}"]', QCTL_KEY=old)
    both = {"QCTL_KEY": new, "QCTL_PREVIOUS_KEYS": old}
    answer = vault.qctl("key:rotate", "--json", **both).json()
    schemas.check("key_rotate", answer)
    assert answer["data"]["connections"] == [{"connection": "default", "matched": 3, "changed": 3, "failed": []}]
    assert vault.qctl("key:rotate", **both).fields() == [["default", "0", "0", ""]]
    vault.qctl("work", "--stop-when-empty", "--quiet", QCTL_KEY=new)
    assert vault.count("completed") == 3


def test_rotation_says_what_was_left(vault: Shop) -> None:
    foreign, key = (vault.qctl("key:generate").out.strip() for _ in range(2))
    job_id = vault.qctl("dispatch", "vault:Keep", '["x"]', QCTL_KEY=foreign).out.strip()
    ended = vault.qctl("key:rotate", QCTL_KEY=key, expect=1)
    assert f"warning: {job_id}: the payload is signed with the key" in ended.err


def test_rotation_has_a_bar_on_a_terminal(vault: Shop) -> None:
    vault.qctl("dispatch", "vault:Keep", '["x"]')
    shown, code = vault.on_terminal("key:rotate")
    assert code == 0
    assert "looking at 1 job" in shown
    assert "SEALED ANEW" in shown
    assert "looking at" not in vault.qctl("key:rotate").err


def test_a_job_of_a_module_that_is_not_the_apps_is_refused(vault: Shop) -> None:
    (vault.folder / "other.py").write_text(
        "open('imported', 'w').close()\nfrom vault import Keep as K\nclass Keep(K): ..."
    )
    vault.qctl("dispatch", "other:Keep", '["x"]')
    (vault.folder / "imported").unlink()
    vault.qctl("work", "--stop-when-empty", "--quiet")
    assert "UnknownJobClass" in vault.qctl("failed").out
    assert not (vault.folder / "imported").exists()
    vault.qctl("retry", "all")
    vault.qctl("work", "--stop-when-empty", "--quiet", QCTL_ALLOWED_MODULES="vault,other")
    assert vault.count("completed") == 1
