# make sweep and make test are all that a fresh clone needs; `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
# More than there are cores on small machines: tests of clusters and servers mostly wait.
TESTERS ?= 4
# Build tools are pinned too, which a -c option would not reach.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help sweep smoke test check format clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1  \t/p' $(MAKEFILE_LIST)

sweep: .venv/run  ## sweep all 4096 combinations on Fashion-MNIST
	$(BIN)/python -m search.run --grid full

smoke: .venv/run  ## sweep 16 combinations on small data, in seconds
	$(BIN)/python -m search.run --grid smoke

test: .venv/dev  ## run the tests
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadgroup

check: .venv/dev  ## lint, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment and the caches, never runs
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/dev: .venv/run
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@
