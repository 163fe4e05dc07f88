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

# Each of these tools has an environment of its own, for the benchmarks as for the tests.
BESIDE := dbt frames airflow sqlmesh spark ray

bench: $(VENV)/developed $(BESIDE:%=$(VENV)-%/developed)
	@$(BIN)/python -m benchmarks
	@for tool in $(BESIDE); do $(VENV)-$$tool/bin/python -m benchmarks.bench_ways_in --rows 300000 --rounds 3 || exit; done
	@for tool in spark ray; do $(VENV)-$$tool/bin/python -m benchmarks cluster || exit; done

clean:
	rm -rf $(VENV) $(BESIDE:%=$(VENV)-%) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
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

$(VENV)-%/developed: pyproject.toml
	@echo "Installing duck_or and $* into $(VENV)-$* ..."
	@$(PYTHON) -m venv --clear $(VENV)-$*
	@$(VENV)-$*/bin/python -m pip -qq --disable-pip-version-check install --upgrade "pip>=25.1"
	@$(VENV)-$*/bin/python -m pip -qq --disable-pip-version-check install --editable . --group dev --group $*
	@touch $@

$(VENV)/developed: pyproject.toml | $(VENV)/made
	@echo "Installing duck_or and what its tests need ..."
	@$(PIP) install --editable . --group dev
	@touch $@ $(VENV)/installed
