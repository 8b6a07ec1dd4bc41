# Every command that a contributor needs. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

# All workers must collect the same tests in the same order, so sets have to iterate alike.
IN_PARALLEL = env PYTHONHASHSEED=0 $(BIN)/python -m pytest -n auto --maxprocesses=4 --dist loadfile

NODE_FITS := node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(Number(a < 20 || (a == 20 && b < 19)))' 2>/dev/null
JLPM   := cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" jlpm

# What decides whether an installed environment is still the right one.
INPUTS := pyproject.toml Makefile jupyter_govdata/labextension/package.json

.PHONY: help
help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

.PHONY: demo
demo: $(VENV)/.demo  ## Build the demo lake and open the tour in JupyterLab; ARGS=--run runs it here
	$(BIN)/jupyter-govdata demo --lake demo-lake $(ARGS)

.PHONY: test
test: $(VENV)/.test lint  ## Lint, types and every test that needs no server
	$(IN_PARALLEL) $(ARGS)

.PHONY: test-all
test-all: $(VENV)/.test $(VENV)/.crate $(VENV)/.httpfs $(VENV)/.api lint  ## All tests: servers, browsers, attacks, slow ones, more fuzzing
	@if $(NODE_FITS); then $(MAKE) lab-check; else echo 'skipped: make lab-check needs Node.js 20.19 or newer'; fi
	GOVDATA_SCHEMATHESIS=$(CURDIR)/$(VENV)/api/bin/schemathesis \
	GOVDATA_HTTPFS_PYTHON=$(CURDIR)/$(VENV)/httpfs/bin/python \
	GOVDATA_CRATE_PYTHON=$(CURDIR)/$(VENV)/crate/bin/python GOVDATA_TEST_ALL=1 \
	  tests/services/postgres.sh run tests/services/ceph.sh run $(IN_PARALLEL) $(ARGS)

.PHONY: lab
lab: $(VENV)/.test  ## Build the JupyterLab extension into jupyter_govdata/labextension (needs node)
	$(JLPM) install --immutable
	$(JLPM) build

.PHONY: lab-check
lab-check: $(VENV)/.test  ## Check the JupyterLab extension: types, style, tests, and that its build is committed
	@$(NODE_FITS) || { echo "this needs Node.js 20.19 or newer; without it, leave labextension/ as it is"; exit 1; }
	$(JLPM) install --immutable
	$(JLPM) check
	$(JLPM) lint
	$(JLPM) test
	rm -rf $(VENV)/lab-before && cp -r jupyter_govdata/labextension $(VENV)/lab-before
	$(JLPM) build
	@diff -r $(VENV)/lab-before jupyter_govdata/labextension \
	  || { echo "jupyter_govdata/labextension was not built from labextension/: it is now, commit it"; exit 1; }

.PHONY: lint
lint: $(VENV)/.test  ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/.test  ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: $(VENV)/.test  ## Run the benchmarks beside installed peers; tables go to benchmarks/results/
	cd benchmarks && ../$(BIN)/python peers.py --results results $(ARGS)
	cd benchmarks && ../$(BIN)/python magics.py --big 1000000 | tee results/magics.txt
	cd benchmarks && ../$(BIN)/python queries.py --rows 1000000 | tee results/queries.txt
	cd benchmarks && ../$(BIN)/python rerun.py --runs 1 | tee results/rerun.txt

.PHONY: load
load: $(VENV)/.test  ## Put a gateway under load: ARGS='--seconds 3600 --kernels 16'
	$(BIN)/python benchmarks/load.py --results benchmarks/results $(ARGS)

# One number draws a case, so a failing one is seen again by `make fuzz N=1 SEED=<its number>`.
.PHONY: fuzz
fuzz: $(VENV)/.test  ## Fuzz non-interference, policies and the wire: N=100000 SEED=1
	GOVDATA_FUZZ_CASES=$(or $(N),2000) $(if $(SEED),GOVDATA_FUZZ_SEED=$(SEED)) \
	  $(BIN)/python -m pytest --timeout=0 tests/fuzz $(ARGS)

.PHONY: faults
faults: $(VENV)/.test  ## Break things under load and check what must hold: N=1000 SEED=1
	GOVDATA_TEST_ALL=1 GOVDATA_FAULT_LOOPS=$(or $(N),100) $(if $(SEED),GOVDATA_FUZZ_SEED=$(SEED)) \
	  $(BIN)/python -m pytest -s --timeout=0 tests/faults $(ARGS)

.PHONY: evidence
evidence: $(VENV)/.test  ## Write docs/evidence.md from what suites wrote into docs/evidence/
	$(BIN)/python -m tests.evidence render

.PHONY: clean
clean:  ## Remove the environment, the demo lake and caches
	rm -rf $(VENV) demo-lake build dist benchmarks/results
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "there is no $(PYTHON): install Python 3.11 or newer, or run make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed; run make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "this Python cannot make a virtual environment: on Debian, apt-get install python3-venv"; exit 1; }

$(VENV)/.demo: $(INPUTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(INPUTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(VENV)/.demo $@

# The validator of RO-Crates needs older packages than ours, so it lives in an environment of its own.
$(VENV)/.crate: $(INPUTS) | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/crate
	$(VENV)/crate/bin/python -m pip install --quiet --disable-pip-version-check \
	  'roc-validator==0.13.0' 'rocrate==0.16.0'
	@touch $@

# DuckDB's extension for S3 exists for fewer versions of DuckDB than ours may be.
$(VENV)/.httpfs: $(INPUTS) | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/httpfs
	$(VENV)/httpfs/bin/python -m pip install --quiet --disable-pip-version-check \
	  'duckdb==1.5.5' 'duckdb-extension-httpfs==1.5.5'
	@touch $@

# Schemathesis brings much that nothing else of ours needs.
$(VENV)/.api: $(INPUTS) | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/api
	$(VENV)/api/bin/python -m pip install --quiet --disable-pip-version-check 'schemathesis==4.32.5'
	@touch $@
