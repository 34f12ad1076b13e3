# make sweep and make test are all that a fresh clone needs; `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
# More than there are cores on small machines: tests of clusters and servers mostly wait.
TESTERS ?= 5
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Each process would compile again what all import: half a second of each command.
unexport PYTHONDONTWRITEBYTECODE

# What is installed has the hashes of the locks, build tools and uv, which installs the rest, included.
PIP := $(BIN)/python -m pip install --quiet --require-hashes --requirement
INSTALL := $(BIN)/python scripts/install.py
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock"

.PHONY: help sweep smoke test check lint types format lock clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1  \t/p' $(MAKEFILE_LIST)

sweep: .venv/run  ## sweep all 4096 combinations on Fashion-MNIST
	$(BIN)/python -m search.run --grid full

smoke: .venv/run  ## sweep 16 combinations on small data, in seconds
	$(BIN)/python -m search.run --grid smoke

test: .venv/dev  ## run the tests
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadgroup

check: lint types  ## lint, import contract, types

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/dev
	$(BIN)/mypy

format: .venv/dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/uv  ## renew the locks: the newest versions that pyproject.toml allows, with their hashes
	$(LOCK) --group install --output-file requirements-install.lock
	$(LOCK) --group build --extra all pyproject.toml --output-file requirements.lock
	$(LOCK) --group build --extra all --extra dev pyproject.toml --constraint requirements.lock \
		--output-file requirements-dev.lock

clean:  ## remove the environment and the caches, never runs
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Where uv cannot be had, pip installs all the same.
.venv/uv: requirements-install.lock
	$(PYTHON) -m venv .venv
	-$(PIP) requirements-install.lock
	@touch $@

.venv/run: .venv/uv pyproject.toml requirements.lock
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@
