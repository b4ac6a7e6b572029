# Two commands on a fresh machine: `make demo` and `make test`. Both install what they need into .venv; nothing else has to be there but Python ≥ 3.11.

PYTHON ?= $(shell for v in 3.13 3.12 3.11 3.14; do command -v python$$v >/dev/null && python$$v -c 'import venv' 2>/dev/null && echo python$$v && break; done || echo python3)
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
export PATH := $(BIN):$(PATH)

.PHONY: demo test test-fast faults lint format ui ui-check bench-collect bench-store wheel clean help

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[delta,iceberg,mysql,pandas,polars,postgres,slack,spark,warehouse]" --group dev
	@touch $@

demo: $(STAMP)  ## run the example DAGs over a year of real flights and leave Airflow up with the page
	$(BIN)/python demo/run.py

test: lint $(STAMP)  ## lint, types, and every test: unit, contracts, PostgreSQL, MariaDB, real Airflow, real browser, wheel, page
	$(BIN)/python -m pytest -n 2 -m "not e2e"
	$(BIN)/python -m pytest -m e2e
	$(MAKE) ui-check

test-fast: $(STAMP)  ## the tests without a running Airflow
	$(BIN)/python -m pytest -n 2 -m "not e2e"

faults: $(STAMP)  ## the store under 200 kills, failing servers, full disks and crowds of writers (as root: all of it)
	LUPUS_FAULTS=200 $(BIN)/python -m pytest -n 2 tests/faults tests/stores/test_first_schema.py

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## let ruff put things in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

UI := plugins/lupus_ui
NODE := $(BIN)/node
NPM := $(BIN)/npm

ui: $(STAMP)  ## build the page's bundle into the package
	cd $(UI) && $(NPM) ci --no-audit --no-fund && $(NPM) run build

ui-check: ui  ## type-check and test the page, and prove that the committed bundle is what its source builds
	cd $(UI) && $(NPM) run check && $(NPM) test
	git diff --exit-code -- airflow_lupus/plugin/static

bench-collect: $(STAMP)  ## measure collecting beside naive Spark and plain scans: the table to beat (needs Java 17)
	PYSPARK_PYTHON=$(BIN)/python $(BIN)/python benchmarks/collect.py $(ARGS)

bench-store: $(STAMP)  ## measure the store beside the database's own means
	PYTHONPATH=tests $(BIN)/python benchmarks/store.py $(ARGS)

wheel: $(STAMP)  ## build and check the distribution
	rm -rf dist && $(BIN)/python -m build && $(BIN)/twine check dist/*

clean:  ## remove what the other commands made
	rm -rf $(VENV) .demo dist build $(UI)/node_modules
