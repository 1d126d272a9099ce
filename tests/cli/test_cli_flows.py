"""Batches, chains and graphs, as the command line shows them and acts on them."""

from __future__ import annotations

import json

import pytest
from shop import Schemas, Shop

pytestmark = pytest.mark.slow

FLOWS = """
from qcore import ChainableJob, batch, chain, workflow


class Step(ChainableJob):
    max_tries = 1

    def __init__(self, word: str, fails: bool = False) -> None:
        super().__init__()
        self.word, self.fails = word, fails

    def _handle(self) -> str:
        if self.fails:
            raise ValueError(self.word)
        return self.word


def make() -> None:
    batch([Step("a"), Step("b", fails=True)]).name("letters").with_option("of", "me").allow_failures(1).dispatch()
    chain([Step("a"), Step("no", fails=True), Step("c")]).name("abc").dispatch()
    inner = chain([Step("deep"), Step("deeper")]).name("inner")
    chain([Step("a"), inner]).name("nest").dispatch()
    workflow("two").add("x", Step("x")).add("y", Step("y"), after="x").dispatch()
"""


@pytest.fixture
def flows(shop: Shop) -> Shop:
    """A batch, a chain and a graph, none of which has begun."""
    (shop.folder / "flows.py").write_text(FLOWS)
    shop.python("import flows; flows.make()")
    return shop


def test_they_are_listed_and_shown(flows: Shop, schemas: Schemas) -> None:
    answer = flows.qctl("batches", "--json").json()
    schemas.check("batches", answer)
    (letters,) = answer["data"]["batches"]
    assert (letters["name"], letters["state"], letters["total"], letters["progress"]) == ("letters", "pending", 2, 0)
    answer = flows.qctl("chains", "--json").json()
    schemas.check("chains", answer)
    assert [one["name"] for one in answer["data"]["chains"]] == ["two", "inner", "nest", "abc"]
    two, _inner, nest, abc = flows.qctl("queue:chains", "-o", "name").lines()
    flows.qctl("work", "--app", "flows", "--stop-when-empty", "--quiet")
    answer = flows.qctl("batch", "show", letters["id"], "--json").json()
    schemas.check("batch", answer)
    assert (answer["data"]["state"], answer["data"]["failed"], answer["data"]["options"]) == (
        "completed",
        1,
        {"of": "me"},
    )
    assert len(answer["data"]["failed_ids"]) == 1
    answer = flows.qctl("chain", "show", abc, "--json").json()
    schemas.check("chain", answer)
    assert [step["state"] for step in answer["data"]["steps"]] == ["completed", "failed", "cancelled"]
    assert answer["data"]["error"] == "no"
    page = flows.qctl("chain", "show", two, "-o", "table", "--ascii").out
    assert "############################## 100 %" in page
    assert "+    y  Step" in page
    assert "after x" in page
    lines = flows.qctl("chain", "show", nest, "-o", "table", "--ascii").out.splitlines()
    assert [line[:14] for line in lines[-4:]] == [
        "+    1  Step  ",
        "+    2  inner ",
        "   +    1  Ste",
        "   +    2  Ste",
    ]
    answer = flows.qctl("chain", "show", nest, "--json").json()
    schemas.check("chain", answer)
    assert [len(step["steps"]) for step in answer["data"]["steps"]] == [0, 2]


def test_an_open_batch_says_so(flows: Shop) -> None:
    flows.python(
        "import flows\n"
        "def words():\n"
        "    yield from (flows.Step(str(n)) for n in range(2000))\n"
        "    raise SystemExit\n"
        "flows.batch(words()).name('broken').dispatch()"
    )
    rows = flows.qctl("batches", "--format", "{name} {open} {total}").lines()
    assert rows == ["broken true 2000", "letters false 2"]
    (row,) = [line for line in flows.qctl("batches", "-o", "table").out.splitlines() if "broken" in line]
    assert " open " in row


def test_a_list_is_watched(flows: Shop) -> None:
    child = flows.spawn("batches", "--watch", "0.1", "-o", "ndjson")
    for _ in range(3):
        child.expect_exact('"name": "letters"')
    child.sendintr()
    child.expect_exact("interrupted")


def test_they_are_acted_on(flows: Shop, schemas: Schemas) -> None:
    (letters,) = flows.qctl("batches", "-o", "name").lines()
    *_, abc = flows.qctl("chains", "-o", "name").lines()
    answer = flows.qctl("batch", "cancel", letters, "--json").json()
    schemas.check("batch.cancel", answer)
    assert answer["data"]["changed"] == 1
    ended = flows.qctl("batch", "cancel", letters, expect=3)
    assert f"batch {letters}: it is not under way" in ended.err
    assert "is not open" in flows.qctl("batch", "close", letters, expect=3).err
    flows.qctl("work", "--app", "flows", "--stop-when-empty", "--quiet")
    assert flows.qctl("chain", "retry", abc, "-o", "table").out == "retried 1 chain\n"
    flows.qctl("work", "--app", "flows", "--stop-when-empty", "--quiet")
    assert (
        flows.qctl("chain", "prune", "--finished", "0s", "--dry-run", "-o", "table").out == "3 chains would be pruned\n"
    )
    answer = flows.qctl("queue:prune-batches", "--cancelled", "0s", "--json").json()
    schemas.check("batch.prune", answer)
    assert answer["data"]["changed"] == 1
    assert flows.qctl("batches").err == "no batches\n"


def test_what_is_acted_on_is_said_and_what_is_not_there_is_named(flows: Shop, schemas: Schemas) -> None:
    (letters,) = flows.qctl("batches", "-o", "name").lines()
    two, *_ = flows.qctl("chains", "-o", "name").lines()
    some = flows.qctl("batch", "cancel", letters, "nobody", "-o", "table", expect=1)
    assert some.out == "cancelled 1 batch\n"
    assert "nobody: no such batch or chain" in some.err
    answer = flows.qctl("chain", "cancel", "nobody", two, "nobody", "--json", expect=1).json()
    schemas.check("chain.cancel", answer)
    assert (answer["data"]["matched"], answer["data"]["changed"]) == (2, 1)
    assert answer["data"]["failed"] == [{"id": "nobody", "reason": "no such batch or chain"}]
    none = flows.qctl("batch", "retry", "nobody", letters, expect=3)
    assert "batch nobody: no such batch or chain" in none.err


def test_a_prune_that_was_given_an_id_forgets_nothing(flows: Shop) -> None:
    (letters,) = flows.qctl("batches", "-o", "name").lines()
    flows.qctl("batch", "prune", letters, "--unfinished", "0s", expect=2)
    assert flows.qctl("batches", "-o", "name").lines() == [letters]
    flows.python("import flows; flows.make()")
    assert flows.qctl("batch", "prune", "--unfinished", "0s", "-o", "table").out == "pruned 2 batches\n"


def test_one_is_watched_until_it_ends(flows: Shop) -> None:
    (letters,) = flows.qctl("batches", "-o", "name").lines()
    flows.qctl("work", "--app", "flows", "--stop-when-empty", "--quiet")
    lines = flows.qctl("batch", "show", letters, "--watch", "0.1", "-o", "ndjson").lines()
    assert [json.loads(line)["progress"] for line in lines] == [100]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["batch", "show"], 2, "takes one id"),
        (["batch", "retry"], 2, "needs an id"),
        (["batch", "mend", "x"], 2, "there is no batch 'mend'"),
        (["chain", "show", "nobody"], 3, "no batch or chain nobody"),
        (["batch", "prune", "--finished", "soon"], 2, "--finished"),
        (["batch", "prune", "some-id"], 2, "qctl batch prune takes no id, and 'some-id' was given"),
        (
            ["chain", "prune", "--finished", "1h", "word", "word"],
            2,
            "qctl chain prune takes no id, and 'word' was given",
        ),
        (["batch", "show", "some-id", "--finished", "1h"], 2, "--finished is not for qctl batch show"),
        (["chain", "cancel", "some-id", "--dry-run"], 2, "--dry-run is not for qctl chain cancel"),
        (["batch", "retry", "some-id", "--watch"], 2, "--watch is not for qctl batch retry"),
        (["batch", "cancel", "nobody"], 3, "batch nobody: no such batch or chain"),
        (["batches", "--cursor", "junk"], 2, "no cursor of this list: 'junk'"),
        (["chains", "--cursor", "junk"], 2, "no cursor of this list: 'junk'"),
    ],
)
def test_what_makes_no_sense_is_refused(shop: Shop, words: list[str], code: int, said: str) -> None:
    assert said in shop.qctl(*words, expect=code).err
