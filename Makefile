# make sweep and make test are all that a fresh clone needs; `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
# More than there are cores on small machines: tests of clusters and servers mostly wait.
TESTERS ?= 4
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Each process would compile again what all import: half a second of each command.
unexport PYTHONDONTWRITEBYTECODE

# What is installed has the hashes of the locks, build tools included.
INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --requirement
LOCK := .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock" --group build --extra all pyproject.toml

.PHONY: help sweep smoke test check format lock clean
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

lock:  ## renew the locks: the newest versions that pyproject.toml allows, with their hashes
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet uv
	$(LOCK) --upgrade --output-file requirements.lock
	$(LOCK) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:  ## remove the environment and the caches, never runs
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(INSTALL) requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	$(INSTALL) requirements-dev.lock
	@touch $@
