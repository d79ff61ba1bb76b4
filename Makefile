# Needs Python 3.11+ and make; installs everything else into .venv.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Two test processes share two cores: one thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help install demo test check lint format types slow soak docs notebooks build release-check clean

help:           ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(READY)  ## make .venv and install the package with all that development needs

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## install, train on embedded photographs, show the table and the picture's path
	$(BIN)/python -m sr_experiments

test: $(READY)  ## install, run the tests (the slow ones apart) and measure coverage
	$(PYTEST) -n 2 -m "not slow" --cov --cov-report=term --cov-fail-under=90

check: lint types test  ## what CI runs: lint, types, tests

lint: $(READY)  ## style of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)  ## mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## strict types
	$(BIN)/mypy

slow: $(READY)  ## proofs that take minutes: the wheel in an empty environment, the demo's promises
	$(PYTEST) -m slow

gpu: $(READY)    ## what only a GPU can show; needs one
	$(PYTEST) -m gpu

soak: $(READY)   ## an hour of training and 200 short runs: memory, files, what is left behind
	$(BIN)/python benchmarks/soak.py

docs: $(READY)  ## the documentation, in site/; opens from disk
	$(BIN)/python docs/site/build.py

notebooks: $(READY)  ## execute the notebooks, with toy sizes
	$(PYTEST) tests/test_notebooks.py

build: $(READY)  ## wheel and source archive in dist/
	$(BIN)/python -m build

release-check: $(READY)  ## build the wheel, install it in an empty environment, run the demo there
	$(PYTEST) -m slow tests/test_packaging.py

clean:          ## remove what was made, the environment too; runs/ and data/ stay
	rm -rf $(VENV) dist build site .coverage* .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
