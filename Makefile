# Everything a newcomer, a developer or CI does here. Needs python 3.11 or newer and nothing else;
# every target builds .venv where it is missing.
#   make demo     the main job, end to end, on a video made on the fly
#   make test     the tests, on PostgreSQL and on a MySQL-protocol server
#   make faults   workers and database killed, cut off and frozen; the better part of an hour, FAULTS=short minutes
#   make fuzz     changed files of every kind, tried on everything that reads files; FUZZ_SECONDS=36000 for a night
# PIP_FLAGS is passed to pip. torch's ordinary wheel brings CUDA libraries of some gigabytes; with
# PIP_FLAGS="--extra-index-url URL" of an index of its CPU builds, these are not downloaded.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP_FLAGS ?=
PYTEST_FLAGS ?=
BENCH_FLAGS ?=
FAULTS ?= long
FAULTS_REPORT ?=
FUZZ_SECONDS ?= 3600
FUZZ_INPUTS ?=
FUZZ_SEED ?= $(shell date +%s)
FUZZ_FINDINGS ?= fuzz-findings

.PHONY: help venv demo test faults fuzz bench lint types docs notebooks format clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 20

venv: $(VENV)/.built ## build .venv with every extra, at the versions of constraints.txt

$(VENV)/.built: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no python 3.11 or newer with venv was found; on Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[all]'
	@touch $@

demo: $(VENV)/.built ## run the main job, end to end, on a video made on the fly
	$(BIN)/facerhythm demo $(DEMO_FLAGS)

test: $(VENV)/.built ## run every test that this machine can run
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

faults: $(VENV)/.built ## kill, cut off and freeze workers and the database; FAULTS=short for a part of it
	FACERHYTHM_FAULTS=$(FAULTS) FACERHYTHM_FAULTS_REPORT=$(FAULTS_REPORT) $(BIN)/python -m pytest tests/faults $(PYTEST_FLAGS)

fuzz: $(VENV)/.built ## try changed files on everything that reads files; FUZZ_INPUTS=3000 or FUZZ_SECONDS=3600, FUZZ_SEED="1 2"
	$(BIN)/python -m tests.fuzz \
		$(if $(FUZZ_INPUTS),--inputs $(FUZZ_INPUTS),--seconds $(FUZZ_SECONDS)) --seed $(FUZZ_SEED) --findings $(FUZZ_FINDINGS)

bench: $(VENV)/.built ## speed and accuracy beside face-rhythm 0.3.3; BENCH_FLAGS=--quick only tries that it runs
	PIP_FLAGS="$(PIP_FLAGS)" $(BIN)/python -m benchmarks $(BENCH_FLAGS)

lint: $(VENV)/.built ## style, import rules, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@if test -x $(BIN)/hadolint; then $(BIN)/hadolint Dockerfile && echo "hadolint: Dockerfile is clean"; \
	else echo "hadolint has no wheel for this machine: Dockerfile not linted"; fi

format: $(VENV)/.built ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.built ## static types
	$(BIN)/mypy

docs: $(VENV)/.built ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: $(VENV)/.built ## execute every notebook
	@for notebook in notebooks/*.py; do \
		$(BIN)/jupytext --quiet --to ipynb --execute --output - $$notebook > /dev/null || exit 1; \
		echo "$$notebook was executed"; \
	done

clean: ## remove what the targets above built, but not .venv
	rm -rf site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
