# demo   what it does, in one table             check  style, types, import rule, documents
# test   everything, with real components       bench  figures, no judgement      soak  long runs
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check bench soak clean

demo: .venv/.run
	$(BIN)/dialdip demo

# Coverage is judged here, by statements and by branches apart.
test: .venv/.dev
	tests/asterisk/prepare.sh
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest $(PYTEST)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report
	$(BIN)/python tests/coverage_floor.py

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_house.py tests/test_docs.py

bench: .venv/.dev
	$(BIN)/python tests/bench/run.py

soak: .venv/.dev
	tests/asterisk/prepare.sh
	$(BIN)/pytest -m soak -s --timeout 3600 -o faulthandler_timeout=0

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* dist build

# Exactly what the lock says, then the project itself on top, built with the locked builder.
.venv/.run: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --require-hashes -r requirements.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	$(BIN)/pip install -q --require-hashes -r requirements-dev.txt
	touch $@
