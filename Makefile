# One door to everything. `make` alone lists what there is.
#   PYTHON  the interpreter that makes the environments (3.11 or newer)
#   VENV    where the development environment lives
#   QUEUE   the queue that `queue-clear` empties
#   SCALE   of the fault tests: 1 is the specification's counts and times; SEED is their chance, ONLY some of them
#   SECONDS how long `chaos` lasts
#   BENCH   flags of the bench targets, such as "--stores redis --pin apart"

PYTHON ?= python3
VENV ?= .venv
QUEUE ?= default
SCALE ?= 0.1
SEED ?= 1
ONLY ?=
SECONDS ?= 60
BENCH ?=

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := .venv-demo
DEMO_READY := $(DEMO)/.ready
PIP := -m pip --disable-pip-version-check -qq
SOURCES := $(shell find qcore qctl -name '*.py' -o -name '*.lua' 2>/dev/null)

# Make an environment at $(1), unless a whole one is there already.
define venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11; name a newer one: make $@ PYTHON=python3.12" >&2; exit 1; }
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { echo "making $(1)"; $(PYTHON) -m venv --clear $(1); }
endef

##@ Begin
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z-]*:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo

setup: $(READY) ## Make the development environment in .venv

demo: $(DEMO_READY) ## See it work: fingerprint the standard library, one job a file
	@cd examples && PATH="$(abspath $(DEMO))/bin:$$PATH" $(abspath $(DEMO))/bin/python -m fingerprint

##@ Work on it
test: $(READY) ## Every test but the faults, the slow ones too, on every store found here
	@$(BIN)/python -m pytest -n auto -m "not faults"

check: lint types imports quick ## What must hold before a commit: format, lint, types, imports, the fast tests

lint: $(READY) ## Format and lint, changing nothing
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .

types: $(READY) ## mypy --strict: the engine, the tool, and the public API as users type it
	@$(BIN)/mypy --strict
	@$(BIN)/mypy --strict tests/typing/api.py
	@cd examples && $(abspath $(BIN))/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache --strict -p fingerprint -p fastapi_shop -p flask_shop

imports: $(READY) ## Who may import whom
	@said=$$($(BIN)/lint-imports 2>&1) && grep '^Contracts:' <<<"$$said" || { echo "$$said"; exit 1; }

test-again: $(READY) ## Try the tests that failed once more, one at a time (after `make test`)
	@$(BIN)/python -m pytest -n 1 --last-failed --last-failed-no-failures none -m "not faults"

quick: $(READY) ## The fast tests alone
	@$(BIN)/python -m pytest -n auto -m "not slow"

faults: $(READY) ## Break stores, hosts and networks on purpose (SCALE=0.1 SEED=1 ONLY=t1), and print what became of it
	@SCALE=$(SCALE) SEED=$(SEED) $(BIN)/python -m pytest -n 4 --dist loadgroup --timeout 1800 tests/faults $(if $(ONLY),-k "$(ONLY)")

faults-again: $(READY) ## Try the faults that were not stood once more, one at a time (after `make faults`)
	@SCALE=$(SCALE) SEED=$(SEED) $(BIN)/python -m pytest -n 1 --last-failed --last-failed-no-failures none --timeout 1800 tests/faults

chaos: $(READY) ## All faults at random, on all stores side by side (SECONDS=60 SEED=1)
	@SECONDS=$(SECONDS) SEED=$(SEED) SCALE=$(SCALE) $(BIN)/python -m pytest -n 4 --dist loadgroup --timeout $$(($(SECONDS) + 300)) tests/faults/chaos.py

mutants: $(READY) ## Break the engine itself on purpose, in a copy; each defect must turn its tests red
	@$(BIN)/python tests/faults/mutants.py

bench: $(READY) ## Jobs a second, pickup and memory on every store, beside our goals; growth to 10^6 (BENCH="--pin apart")
	@$(BIN)/python -m benchmarks table $(BENCH)
	@$(BIN)/python -m benchmarks growth --rounds 3 $(BENCH)

bench-workers: $(READY) ## What an idle worker costs, its pickups, how full its threads and tasks are, beside our goals
	@$(BIN)/python -m benchmarks workers $(BENCH)

bench-prices: $(READY) ## What signing, encryption, a rate limit and middleware cost a job, beside our goals
	@$(BIN)/python -m benchmarks prices $(BENCH)

bench-limits: $(READY) ## How much of a rate limit of 100 a second four processes use, beside our goal
	@$(BIN)/python -m benchmarks limits $(BENCH)

bench-reading: $(READY) ## What qctl stats takes with a million jobs stored, beside our goal
	@$(BIN)/python -m benchmarks reading $(BENCH)

bench-flows: $(READY) ## What a job of a batch of 100,000 costs beside a plain one, and what its producer holds
	@$(BIN)/python -m benchmarks flows $(BENCH)

bench-screens: $(READY) ## qctl top and qctl stats on a store of 10^6 jobs and 200 workers, and what watching costs
	@$(BIN)/python -m benchmarks screens $(BENCH)

bench-growth: $(READY) ## Cost per job up to 10^7 pending, with 10^6 delayed or failed; draws docs/images/growth.svg
	@$(BIN)/python -m benchmarks growth --levels 1e3,1e4,1e5,1e6,1e7 --beside 1e6 --plot docs/images/growth.svg $(BENCH)

bench-peers: $(READY) ## Ours and other queues in one run, and ours in theirs; makes their environments first
	@$(BIN)/python -m benchmarks peers $(BENCH)

fmt: $(READY) ## Format, and mend what can be mended without thought
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

snapshots: $(READY) ## Write the golden files anew; review what changed
	@SNAPSHOTS=renew $(BIN)/python -m pytest -q -n auto tests/cli/test_cli_main.py tests/screens
	@git status --short snapshots

picture: $(READY) ## Draw the README's picture anew from a real run
	@$(BIN)/python docs/images/draw.py

docs: $(READY) ## The documentation as a site, in build/docs; a link that leads nowhere fails
	@said=$$(NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict 2>&1) || { echo "$$said"; exit 1; }
	@echo build/docs/index.html

docs-serve: $(READY) ## The documentation at http://127.0.0.1:8001, built anew as it is written
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8001

build: $(READY) ## The wheel and the source archive, in dist/
	@$(BIN)/python -m build --outdir dist . >/dev/null
	@ls dist

clean: ## Drop caches and built files; the environments stay
	@rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	@find qcore qctl tests examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

##@ The queue
queue-work: $(READY) ## Start a worker on the default queue
	@$(BIN)/qctl work

queue-work-emails: $(READY) ## Start a worker on the queue "emails"
	@$(BIN)/qctl work --queue=emails

queue-stats: $(READY) ## How many jobs are where
	@$(BIN)/qctl stats

queue-failed: $(READY) ## List the failed jobs
	@$(BIN)/qctl failed

queue-retry-failed: $(READY) ## Put all failed jobs back
	@$(BIN)/qctl failed --retry

queue-clear: $(READY) ## Empty a queue, after asking (QUEUE=name, else "default")
	@$(BIN)/qctl clear $(QUEUE)

queue-dashboard: $(READY) ## The dashboard: Horizon's pages and more
	@$(BIN)/qctl dashboard

queue-metrics: $(READY) ## How many jobs ended, how long they ran and waited
	@$(BIN)/qctl metrics

queue-health: $(READY) ## Whether all is well
	@$(BIN)/qctl health

queue-top: $(READY) ## The htop of queues
	@$(BIN)/qctl top

$(READY): pyproject.toml
	$(call venv,$(VENV))
	@echo "installing the project and its tools into $(VENV)"
	@$(BIN)/python $(PIP) install --editable '.[dev]'
	@touch $@

$(DEMO_READY): pyproject.toml $(SOURCES)
	$(call venv,$(DEMO))
	@echo "installing the project into $(DEMO)"
	@$(DEMO)/bin/python $(PIP) install .
	@touch $@

.PHONY: help setup demo test test-again check lint types imports quick faults faults-again chaos mutants fmt snapshots picture docs docs-serve build clean \
  queue-work queue-work-emails queue-stats queue-failed queue-retry-failed queue-clear \
  bench bench-workers bench-prices bench-limits bench-reading bench-flows bench-screens bench-growth bench-peers queue-dashboard queue-metrics queue-health queue-top
