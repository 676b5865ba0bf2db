# Everpost from a checkout. `make run` is all that a newcomer needs.
.DEFAULT_GOAL := help
.PHONY: help run setup setup-dev test test-packages lint bench lock clean
MAKEFLAGS += --no-print-directory
PYTHON := .venv/bin/python

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s%s\n", $$1, $$2}'

# The supervisor gets a SIGTERM should make itself be killed: nothing runs on unseen.
run: setup  ## Start everything in this terminal; Ctrl-C stops it
	@exec $(PYTHON) -I -S everpost/embedded/die_with_parent.py $$PPID 15 .venv/bin/everpost run

setup:  ## Make .venv ready to run (part of `make run`)
	@scripts/setup.sh run

setup-dev:  ## Make .venv ready to test and lint
	@scripts/setup.sh dev

# More than the cores: tests of real servers mostly wait. A file's tests stay in one process, which
# has its own servers.
TEST_PROCESSES ?= 3

test: setup-dev test-packages  ## Run all tests; PYTEST_ARGS narrows it
	@$(PYTHON) -m pytest -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

test-packages:
	@scripts/test_packages.sh

lint: setup-dev  ## Check style, types and the direction of imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: setup-dev test-packages  ## Run the benchmarks and print them as a table
	@$(PYTHON) -m bench $(BENCH_ARGS)

lock:  ## Write the lock files anew from pyproject.toml (needs uv)
	@scripts/lock.sh

clean:  ## Remove .venv and all caches; the instance in .everpost stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -not -path './.everpost/*' -prune -exec rm -rf {} +

.PHONY: docs
docs: setup-dev  ## Write docs/reference and docs/pictures anew from code and examples
	@$(PYTHON) scripts/reference.py
	@$(PYTHON) scripts/pictures.py
