# make demo    the package at work on real texts (the answers are simulated unless OPENROUTER_API_KEY is set)
# make test    the whole test suite, offline
# make lint    format, lint, types, import direction
# make bench   every benchmark, each against a reference measured in the same run
# make clean   remove what these made
#
# All of them work in .venv, made with $(PYTHON): Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

.PHONY: demo test lint bench clean
.DEFAULT_GOAL := demo

demo: $(VENV)/installed
	@$(BIN)/duck-or demo

test: $(VENV)/developed
	@$(BIN)/python -m pytest -n 2

lint: $(VENV)/developed
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/developed
	@$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, $(PYTHON) is {sys.version.split()[0]}: make PYTHON=python3.11")'
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --upgrade "pip>=25.1"
	@touch $@

$(VENV)/installed: pyproject.toml | $(VENV)/made
	@echo "Installing duck_or ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/developed: pyproject.toml | $(VENV)/made
	@echo "Installing duck_or and what its tests need ..."
	@$(PIP) install --editable . --group dev
	@touch $@ $(VENV)/installed
