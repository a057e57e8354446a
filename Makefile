# Everything a newcomer, a developer or CI does here. Needs python 3.11 or newer and nothing else;
# every target that needs .venv builds it where it is missing, and those that run the program renew it. With
# VENV=DIR another environment is used as it is, on this source; nothing is ever installed into it.
#   make demo     the main job, end to end, on a video made on the fly
#   make test     the tests, on PostgreSQL and on a MySQL-protocol server, in minutes
#   make test-all the long ones as well: killed workers, accounts, upgrades, stores, Slurm, every page's lines
#   make faults   workers and database killed, cut off and frozen; the better part of an hour, FAULTS=short minutes
#   make package  what a user installs: built, installed into a bare environment, its demo run there
#   make fuzz     changed files of every kind, tried on everything that reads files; FUZZ_SECONDS=36000 for a night
# PIP_FLAGS is passed to pip. torch's ordinary wheel brings CUDA libraries of some gigabytes; with
# PIP_FLAGS="--extra-index-url URL" of an index of its CPU builds, these are not downloaded.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP_FLAGS ?=
PYTEST_FLAGS ?=
# one process more than there are cores: they also wait, for servers and workers
TEST_PROCESSES ?= -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 5 --dist loadfile --no-loadscope-reorder
BENCH_FLAGS ?=
FAULTS ?= long
FAULTS_REPORT ?=
FUZZ_SECONDS ?= 3600
FUZZ_INPUTS ?=
FUZZ_SEED ?= $(shell date +%s)
FUZZ_FINDINGS ?= fuzz-findings
NOTEBOOKS ?= build/notebooks

# The project's own environment is built and renewed; one that was lent is only looked at.
OWN_VENV := $(realpath $(CURDIR))/.venv
ifeq ($(or $(realpath $(VENV)),$(abspath $(VENV))),$(OWN_VENV))
READY := $(VENV)/.built
else
READY := lent
export PYTHONPATH := $(CURDIR)
endif
# What only reads the source needs the tools of .venv, and not the newest of its packages.
TOOLS := $(if $(wildcard $(VENV)/.built),$(filter lent,$(READY)),$(READY))
NEEDS := python

.PHONY: help venv lent demo package test test-all faults fuzz bench lint types docs notebooks format clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

venv: $(READY) ## build .venv with every extra, at the versions of constraints.txt

$(VENV)/.built: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no python 3.11 or newer with venv was found; on Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[all]'
	@touch $@

lent:
	@for program in $(NEEDS); do test -x $(BIN)/$$program || { \
		echo "$(VENV) has no bin/$$program, and nothing is installed into an environment other than .venv;" \
			"install it there yourself (pip install -c constraints.txt -e '.[all]'), or leave VENV out" >&2; exit 1; }; done

demo: NEEDS += facerhythm
demo: $(READY) ## run the main job, end to end, on a video made on the fly
	$(BIN)/facerhythm demo $(DEMO_FLAGS)

package: NEEDS += pyproject-build
package: $(READY) ## build what a user installs, install it into a bare environment, run its demo there
	PIP_FLAGS="$(PIP_FLAGS)" $(BIN)/python -m tests.package

test: NEEDS += pytest
test: $(READY) ## run the tests that take minutes; a file's tests stay in one process
	$(BIN)/python -m pytest $(TEST_PROCESSES) --part quick $(PYTEST_FLAGS)

test-all: NEEDS += pytest
test-all: $(READY) ## run every test that this machine can run
	$(BIN)/python -m pytest $(TEST_PROCESSES) $(PYTEST_FLAGS)

faults: NEEDS += pytest
faults: $(READY) ## kill, cut off and freeze workers and the database; FAULTS=short for a part of it
	FACERHYTHM_FAULTS=$(FAULTS) FACERHYTHM_FAULTS_REPORT=$(FAULTS_REPORT) $(BIN)/python -m pytest tests/faults $(PYTEST_FLAGS)

fuzz: $(READY) ## try changed files on everything that reads files; FUZZ_INPUTS=3000 or FUZZ_SECONDS=3600, FUZZ_SEED="1 2"
	$(BIN)/python -m tests.fuzz \
		$(if $(FUZZ_INPUTS),--inputs $(FUZZ_INPUTS),--seconds $(FUZZ_SECONDS)) --seed $(FUZZ_SEED) --findings $(FUZZ_FINDINGS)

bench: $(READY) ## speed and accuracy beside face-rhythm 0.3.3; BENCH_FLAGS=--quick only tries that it runs
	PIP_FLAGS="$(PIP_FLAGS)" $(BIN)/python -m benchmarks $(BENCH_FLAGS)

lint: NEEDS += ruff lint-imports
lint: $(TOOLS) ## style, import rules, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@if test -x $(BIN)/hadolint; then $(BIN)/hadolint Dockerfile && echo "hadolint: Dockerfile is clean"; \
	else echo "hadolint has no wheel for this machine: Dockerfile not linted"; fi

format: NEEDS += ruff
format: $(TOOLS) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: NEEDS += mypy
types: $(TOOLS) ## static types
	$(BIN)/mypy

docs: NEEDS += mkdocs
docs: $(TOOLS) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: NEEDS += jupytext
notebooks: $(READY) ## execute every notebook; NOTEBOOKS=notebooks keeps what they show
	$(BIN)/python notebooks $(NOTEBOOKS)

clean: ## remove what the targets above built, but not .venv
	rm -rf site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
