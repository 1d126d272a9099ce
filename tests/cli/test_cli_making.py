"""`qctl new` and `qctl make:…`: what they write, where, and what they refuse."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from shop import Ended, Schemas, Shop

TRAITS = ("batchable", "chainable", "unique", "encrypted", "secure", "async")
LONGEST = "Abcdefghij" * 4


class Empty(Shop):
    """A folder in which there is nothing, and nothing is configured."""

    def __post_init__(self) -> None:
        super().__post_init__()
        del self.environment["QCTL_APP"]

    def at(self, name: str) -> Empty:
        """A folder of it."""
        return Empty(self.folder / name)

    def run(self, *words: str) -> Ended:
        """Run another program there."""
        ended = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def written(self) -> set[str]:
        """Every file there."""
        return {
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }


@pytest.fixture
def empty(tmp_path: Path) -> Empty:
    return Empty(tmp_path)


@pytest.fixture
def project(empty: Empty) -> Empty:
    """A new project."""
    empty.qctl("new", "shop")
    return empty.at("shop")


def passes(folder: Empty) -> None:
    """See that all that was written there passes the checks that a project of its own would run, and its tests."""
    for words in (
        ["ruff", "check", "--no-cache"],
        ["ruff", "check", "--no-cache", "--isolated"],
        ["ruff", "format", "--no-cache", "--check"],
        ["mypy", "--strict"],
        ["pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
    ):
        ended = folder.run(*words)
        assert ended.code == 0, f"{words}: {ended.out}{ended.err}"


@pytest.mark.slow
def test_whatever_is_made_passes_ruff_mypy_and_its_tests(project: Empty) -> None:
    several = [(one,) for one in TRAITS] + list(combinations(TRAITS, 2)) + [TRAITS]
    for number, traits in enumerate(several):
        project.qctl("make:job", f"Work{number}", *(f"--{trait}" for trait in traits))
    for kind in ("job", "middleware", "command", "workflow"):
        project.qctl(f"make:{kind}", f"Do{kind.capitalize()}")
        project.qctl(f"make:{kind}", kind[0].upper() + LONGEST[1:])
    project.qctl("make:job", LONGEST[:39], *(f"--{trait}" for trait in TRAITS))
    passes(project)


@pytest.mark.slow
def test_no_name_collides_with_what_stands_in_a_template(project: Empty) -> None:
    for name in ("Status", "WorkflowId", "Graph", "Part", "Parts", "Monitor", "Record"):
        project.qctl("make:workflow", name)
    for kind in ("command", "job", "middleware"):
        for name in ("COMMAND", "Result", "FETCH", f"Deliver{kind.capitalize()}", "Deliver"):
            project.qctl(f"make:{kind}", name)
    passes(project)


@pytest.mark.slow
def test_a_new_project_runs(project: Empty) -> None:
    passes(project)
    project.qctl("dispatch", "shop.jobs.send_welcome:SendWelcome", '["ann@example.com"]')
    project.qctl("work", "--stop-when-empty")
    assert project.qctl("stats", "--format", "{name} {completed}").out == "default 1\n"
    assert project.qctl("shop:hello", "Ann").out == "Hello Ann\n"


def test_a_new_project_says_how_to_go_on(empty: Empty, schemas: Schemas) -> None:
    told = empty.qctl("new", "my-shop", "--json").json()
    schemas.check("made", told)
    assert set(told["data"]["files"]) == empty.written()
    assert told["data"]["next"] == ["cd my-shop", "python -m pytest", "qctl work --stop-when-empty"]
    assert "my-shop/my_shop/jobs/send_welcome.py" in empty.written()
    for name in empty.written():
        if name.endswith(".py"):
            ast.parse((empty.folder / name).read_text())
        assert "$" not in (empty.folder / name).read_text()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("9lives", "small letters, digits and -: lives"),
        ("Shop", "small letters, digits and -: shop"),
        ("../shop", "small letters, digits and -: shop"),
        ("class", "small letters, digits and -: class"),
        ("json", "write my-json, or what it does"),
        ("qcore", "write my-qcore, or what it does"),
        ("s" * 41, "40 at the most"),
    ],
)
def test_a_project_needs_a_name_of_its_own(name: str, hint: str, empty: Empty) -> None:
    assert empty.qctl("new", name, expect=2).err.endswith(f"hint: {hint}\n")
    assert empty.written() == set()


def test_a_project_takes_the_place_of_nothing(empty: Empty) -> None:
    (empty.folder / "shop").mkdir()
    mine = empty.folder / "shop" / "pyproject.toml"
    mine.write_text("mine")
    assert empty.qctl("new", "shop", expect=6).err.startswith("error: shop is there already; nothing was written\n")
    assert empty.written() == {"shop/pyproject.toml"}
    empty.qctl("new", "shop", "--force")
    assert mine.read_text() != "mine"


def test_an_empty_folder_may_become_a_project(empty: Empty) -> None:
    (empty.folder / "shop").mkdir()
    empty.qctl("new", "shop")


def test_a_job_is_made_in_the_package_of_the_application(project: Empty, schemas: Schemas) -> None:
    told = project.qctl("make:job", "SendHTTPRequest", "--json").json()
    schemas.check("made", told)
    assert told["data"] == {
        "files": ["shop/jobs/send_http_request.py", "tests/test_send_http_request_job.py"],
        "note": None,
        "next": [
            "python -m pytest tests/test_send_http_request_job.py",
            "qctl dispatch shop.jobs.send_http_request:SendHTTPRequest '[\"a subject\"]'",
            "qctl work --stop-when-empty",
        ],
    }
    text = (project.folder / "shop/jobs/send_http_request.py").read_text()
    assert "class SendHTTPRequest(Job):" in text


def test_people_are_told_in_words(project: Empty) -> None:
    assert project.qctl("make:middleware", "Traced").out == (
        "made shop/middleware/__init__.py\n"
        "made shop/middleware/traced.py\n"
        "made tests/test_traced_middleware.py\n"
        "next: python -m pytest tests/test_traced_middleware.py\n"
    )
    assert project.qctl("make:middleware", "Traced", "--force", "-o", "name").lines() == [
        "shop/middleware/traced.py",
        "tests/test_traced_middleware.py",
    ]


@pytest.mark.parametrize("kind", ["job", "workflow", "middleware", "command"])
def test_two_words_will_do(kind: str, project: Empty) -> None:
    project.qctl("make", kind, "Deliver")
    assert f"tests/test_deliver_{kind}.py" in project.written()


def test_two_words_are_guessed_too(empty: Empty) -> None:
    assert (
        empty.qctl("make", "jbo", "Deliver", expect=2).err
        == "error: no command 'make'\nhint: did you mean 'make:job'?\n"
    )


def test_a_users_own_command_of_the_first_word_comes_first(shop: Shop) -> None:
    own = "from qctl import Command\nclass Make(Command):\n    signature = 'make {what}'\n"
    own += "    def handle(self):\n        self.line(f'made {self.argument(\"what\")}')\n"
    (shop.folder / "shop.py").write_text(own)
    assert shop.qctl("make", "job").out == "made job\n"


def test_a_command_is_found_once_the_application_imports_it(project: Empty) -> None:
    note = project.data("make:command", "SendReport")["note"]
    told, _, line = note.partition(": ")
    assert told == "add to shop.queues, where qctl looks for commands"
    queues = project.folder / "shop" / "queues.py"
    queues.write_text(queues.read_text() + line + "\n")
    assert project.qctl("shop:send-report", "Ann").out == "Hello Ann\n"


def test_without_an_application_it_goes_into_this_folder(empty: Empty) -> None:
    assert empty.data("make:job", "Deliver")["files"] == [
        "jobs/__init__.py",
        "jobs/deliver.py",
        "tests/test_deliver_job.py",
    ]
    assert empty.data("make:command", "Tell")["next"][-1] == "qctl app:tell --help"


def test_it_goes_where_it_is_told_to(empty: Empty) -> None:
    made = empty.data("make:job", "Deliver", "--package", "shop.by.air")["files"]
    assert made == [
        *(f"shop/{folder}__init__.py" for folder in ("", "by/", "by/air/")),
        "shop/by/air/deliver.py",
        "tests/test_deliver_job.py",
    ]


def test_an_application_of_one_module_is_told_to_import_it(shop: Shop) -> None:
    made = shop.data("make:job", "Deliver")
    assert made["files"][1] == "jobs/deliver.py"
    assert made["note"] == "import jobs.deliver in shop, so that its workers may run what is in it"
    (shop.folder / "shop.py").write_text("import jobs.deliver\n")
    shop.qctl("dispatch", "jobs.deliver:Deliver", '["a subject"]')
    shop.qctl("work", "--stop-when-empty")
    assert shop.count("completed") == 1


def test_the_package_may_lie_deeper(empty: Empty) -> None:
    package = empty.folder / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    files = empty.data("make:job", "Deliver", "--app", "shop", PYTHONPATH=f"src:{empty.environment['PYTHONPATH']}")[
        "files"
    ]
    assert files[:2] == ["src/shop/jobs/__init__.py", "src/shop/jobs/deliver.py"]


@pytest.mark.parametrize(
    ("app", "message"),
    [("nowhere.queues", "app 'nowhere.queues': no module named 'nowhere'"), ("json", "app 'json' lies in ")],
)
def test_an_application_that_is_elsewhere(app: str, message: str, empty: Empty) -> None:
    ended = empty.qctl("make:job", "Deliver", "--app", app, expect=5)
    assert ended.err.startswith(f"error: {message}")
    assert ended.err.endswith("hint: run it in the folder that holds the application\n")


def test_a_module_is_not_hidden_by_a_package(empty: Empty) -> None:
    (empty.folder / "jobs.py").touch()
    ended = empty.qctl("make:job", "Deliver", expect=1)
    assert ended.err.startswith("error: jobs.py is a module, and jobs/ would hide it\n")


@pytest.mark.parametrize("package", ["shop.queues", "shop.queues.deep", "shop.queues.deep.er"])
def test_a_module_is_not_hidden_by_a_package_around_it(package: str, project: Empty) -> None:
    before = project.written()
    ended = project.qctl("make:job", "Deliver", "--package", package, expect=1)
    assert ended.err.startswith("error: shop/queues.py is a module, and shop/queues/ would hide it\n")
    assert project.written() == before


def test_a_package_of_the_application_lies_where_that_does(empty: Empty) -> None:
    package = empty.folder / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    path = f"src:{empty.environment['PYTHONPATH']}"
    words = ("make:job", "Deliver", "--app", "shop", "--package", "shop.other")
    assert empty.data(*words, PYTHONPATH=path)["files"][1] == "src/shop/other/deliver.py"


@pytest.mark.parametrize("package", ["json", "json.x", "qcore.x", "tests", "typer.x", "shóp.x"])
def test_a_package_that_is_anothers_is_refused(package: str, project: Empty) -> None:
    before = project.written()
    ended = project.qctl("make:job", "Deliver", "--package", package, expect=2)
    assert ended.err.startswith("error: --package: ")
    assert project.written() == before


@pytest.mark.parametrize("name", ["pytest", "sqlalchemy", "a-", "typer"])
def test_a_project_that_cannot_be_called_so(name: str, empty: Empty) -> None:
    ended = empty.qctl("new", name, expect=2)
    assert ended.err.startswith(f"error: {name!r} is ")
    assert empty.written() == set()


@pytest.mark.parametrize("there", ["shop/jobs/deliver.py", "tests/test_deliver_job.py"])
def test_nothing_is_written_over(there: str, project: Empty) -> None:
    mine = project.folder / there
    mine.write_text("mine")
    before = project.written()
    ended = project.qctl("make:job", "Deliver", expect=6)
    assert ended.err == f"error: {there} is there already; nothing was written\nhint: --force writes it anew\n"
    assert (project.written(), mine.read_text()) == (before, "mine")
    project.qctl("make:job", "Deliver", "--force")
    assert mine.read_text() != "mine"


def test_one_name_in_two_packages_has_two_tests(project: Empty) -> None:
    project.qctl("make:job", "Deliver")
    second = project.data("make:job", "Deliver", "--package", "shop.other")["files"]
    assert second[-1] == "tests/test_shop_other_deliver_job.py"
    tests = [project.folder / "tests" / name for name in ("test_deliver_job.py", "test_shop_other_deliver_job.py")]
    assert ["from shop.jobs.deliver" in tests[0].read_text(), "from shop.other.deliver" in tests[1].read_text()]
    ended = project.qctl("make:job", "Deliver", "--package", "shop.other", expect=6)
    assert ended.err.startswith("error: shop/other/deliver.py (and 1 more) is there already; nothing was written\n")


def test_where_a_file_is_in_the_way_of_a_folder_nothing_is_written(empty: Empty) -> None:
    (empty.folder / "tests").touch()
    ended = empty.qctl("make:job", "Deliver", expect=1)
    assert ended.err == "error: tests is no folder; nothing was written\nhint: move it elsewhere\n"
    assert empty.written() == {"tests"}


def test_a_command_without_an_application_is_told_where_it_is_looked_for(empty: Empty) -> None:
    note = empty.data("make:command", "Greet")["note"]
    assert note == "qctl looks for commands in the module that --app names: from commands.greet import Greet as Greet"


def test_a_link_is_not_followed(project: Empty) -> None:
    (project.folder / "shop/jobs/deliver.py").symlink_to("elsewhere.py")
    project.qctl("make:job", "Deliver", expect=6)
    assert "shop/jobs/elsewhere.py" not in project.written()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("send_email", "error: 'send_email' is no name of a class\nhint: write SendEmail\n"),
        ("Send Email", "error: 'Send Email' is no name of a class\nhint: write SendEmail\n"),
        ("Größe", "error: 'Größe' is no name of a class\nhint: write SendEmail\n"),
        ("None_", "error: 'None_' is no name of a class\nhint: write SendEmail\n"),
        ("test_", "error: 'test_' is no name of a class\nhint: write SendEmail\n"),
        ("", "error: '' is no name of a class\nhint: write SendEmail\n"),
        ("Job", "error: 'Job' is the name of something else\nhint: write MyJob, or what it does\n"),
        (
            "ValueError",
            "error: 'ValueError' is the name of something else\nhint: write MyValueError, or what it does\n",
        ),
        ("Import", "error: 'Import': no module can be called import\nhint: write ImportJob, or what it does\n"),
        ("Conftest", "error: 'Conftest': no module can be called conftest\nhint: write ConftestJob, or what it does\n"),
        ("I", "error: 'I' says too little\nhint: write what it does, such as SendEmail\n"),
        *(
            (
                name,
                f"error: '{name}': pytest takes what begins so for a test\nhint: write what it does, such as TryOut\n",
            )
            for name in ("TestPayment", "Testimony", "TESTRun")
        ),
        (LONGEST + "k", f"error: '{LONGEST[:20]}'... has 41 letters\nhint: 40 at the most\n"),
    ],
)
def test_a_class_needs_a_name_of_its_own(name: str, message: str, empty: Empty) -> None:
    assert empty.qctl("make:job", name, expect=2).err == message
    assert empty.written() == set()


def test_a_workflow_is_a_function_too(empty: Empty) -> None:
    for name in ("Print", "QUEUEFake", "CHAINMonitor", "JOBRecord"):
        assert f"'{name}' is the name of something else" in empty.qctl("make:workflow", name, expect=2).err
    assert "pytest takes" in empty.qctl("make:workflow", "TESTRun", expect=2).err
    empty.qctl("make:job", "Print")


def test_each_name_has_a_test_of_its_own(empty: Empty) -> None:
    empty.qctl("make:job", "Deliver")
    assert "tests/test_deliver_job_job.py" in empty.data("make:job", "DeliverJob")["files"]


@pytest.mark.parametrize("package", ["9lives", "shop/jobs", "shop..jobs", ".jobs", "", "shop.class"])
def test_what_is_no_package(package: str, empty: Empty) -> None:
    assert empty.qctl("make:job", "Deliver", "--package", package, expect=2).err == (
        f"error: --package: {package!r} is no package\nhint: write it with dots: shop.jobs\n"
    )


def test_a_folder_that_cannot_be_written(empty: Empty) -> None:
    (empty.folder / "tests").write_text("a file")
    assert empty.qctl("make:job", "Deliver", expect=1).err.startswith(
        "error: tests is no folder; nothing was written\n"
    )
