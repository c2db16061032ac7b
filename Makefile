# `make demo` and `make test` set up all they need: a virtual environment in .venv, and nothing else.

PYTHON ?= python3
VENV := .venv
NEWEST := .venv-newest
BENCHMARK := .venv-bench
BIN := $(VENV)/bin
PACKAGE := pyproject.toml setup.py $(wildcard schemas/_*.[ch])

.PHONY: help demo test lint newest bench format clean

help:
	@echo 'make demo    make a sample, skim it, fill and draw histograms (into demo/)'
	@echo 'make test    lint, types and tests'
	@echo 'make newest  the tests of the core on the newest Dask, without lazy arrays'
	@echo 'make bench   measure this project and its peers side by side, into docs/benchmarks.md (20 to 30 min)'
	@echo '             make bench BENCH=--quick takes 3 min and leaves that page alone'
	@echo 'make format  format the code'
	@echo 'make clean   remove what these made'

demo: $(VENV)/.demo
	@$(BIN)/python scripts/demo.py

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# dask-awkward, behind the extra `lazy`, holds Dask back; the core must run on the newest as well.
newest: $(NEWEST)/.test
	$(NEWEST)/bin/python -m pytest tests/runtime tests/batch tests/skim/test_run.py tests/histo/test_run.py \
		tests/schemas/test_dataset.py

# Apart from .venv: the peers bring a hundred packages along.
bench: $(BENCHMARK)/.bench
	$(BENCHMARK)/bin/python -m benchmarks.run $(BENCH)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(PACKAGE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[lazy,plots,xrootd]'
	touch $@

$(VENV)/.test: $(PACKAGE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[batch,lazy,plots,xrootd,test]'
	touch $@

$(NEWEST)/.test: $(PACKAGE)
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade pip
	$(NEWEST)/bin/python -m pip install --quiet --editable '.[batch,plots,xrootd,test]' 'dask>=2026.1.1' 'distributed>=2026.1.1'
	touch $@

$(BENCHMARK)/.bench: $(PACKAGE)
	$(PYTHON) -m venv $(BENCHMARK)
	$(BENCHMARK)/bin/python -m pip install --quiet --upgrade pip
	$(BENCHMARK)/bin/python -m pip install --quiet --editable '.[bench]'
	touch $@

clean:
	rm -rf $(VENV) $(NEWEST) $(BENCHMARK) benchmarks/.cache demo build *.egg-info schemas/_loops*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
