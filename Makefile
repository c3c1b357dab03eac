# The four doors: demo, test, soak, bench. Each rests on `install`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never

.PHONY: help install install-test demo test soak bench format lint types mypy pyright imports unit integration frontend frontend-types e2e wheel pythons lock clean

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/.installed  ## set up .venv with what Treadle needs

install-test: .venv/.installed-test

.venv/bin/uv: requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "Treadle needs Python 3.11 or later on the path"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

FRONTEND := $(shell find frontend/src frontend/package-lock.json -type f 2>/dev/null)

.venv/.installed: .venv/bin/uv requirements/run.txt requirements/node.txt pyproject.toml $(FRONTEND)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	command -v npm >/dev/null || $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/node.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-test: .venv/.installed requirements/test.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/test.txt
	@touch $@

demo: install  ## one model's whole life on a year of real flights; the server stays up
	$(BIN)/treadle demo $(DEMO)

test: install-test  ## every check that CI runs
	$(MAKE) --jobs=2 --output-sync=target lint imports mypy pyright frontend
	$(MAKE) unit integration e2e wheel pythons

lint:
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests examples benchmarks

format: install-test  ## let ruff put things in order
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests examples benchmarks

imports:
	$(BIN)/lint-imports

types: mypy pyright

mypy:
	$(BIN)/mypy

pyright:
	$(BIN)/pyright --pythonpath $(BIN)/python

unit: /usr/lib/postgresql
	$(BIN)/pytest tests/unit tests/property tests/contract tests/simulation tests/typing -n 2 -m "not soak" -q

integration:
	$(BIN)/pytest tests/integration -m "not soak" -q -n 2 --dist loadfile

frontend:  ## types, logic and size of the front end; its types of the API are those of the API
	cd frontend && { test -d node_modules || npm ci --no-audit --no-fund --silent; }
	cd frontend && npm run --silent check && npm run --silent test && npm run --silent size
	$(MAKE) frontend-types
	@git diff --exit-code --stat -- frontend/src/api/schema.ts || { echo "the API has changed: commit what make frontend-types made"; exit 1; }

frontend-types:  ## make the front end's types anew after a change of the API
	$(BIN)/python frontend/scripts/openapi.py > frontend/openapi.json
	cd frontend && npm run --silent types

e2e: /usr/bin/chromium  ## the pages, in a real browser
	$(BIN)/pytest tests/e2e -m "not soak" -q -n 2 --dist loadfile

/usr/lib/postgresql:
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null

/usr/bin/chromium:
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null

wheel:  ## build the wheel and try it in a clean environment
	$(BIN)/python tests/wheel_smoke.py

pythons:  ## the quick tests on every other interpreter that this machine has
	$(BIN)/python tests/other_pythons.py

soak: install-test  ## faults, load, long simulations
	TREADLE_PROPERTIES=soak $(BIN)/pytest tests/property -m "not soak" -q
	$(BIN)/pytest tests -m soak -q

bench: install-test  ## figures, beside the peers
	$(BIN)/python benchmarks/run.py

lock: .venv/bin/uv  ## pin anew, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements/uv.in -o requirements/uv.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate requirements/node.in -o requirements/node.txt
	for v in 2 3; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --override requirements/mlflow-override.in requirements/mlflow$$v.in -o requirements/mlflow$$v.txt; done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml requirements/build.in --group test -c requirements/run.txt -o requirements/test.txt

clean:  ## remove what install made
	rm -rf .venv .venv-* build dist
