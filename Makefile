# make demo    train on real images that come with the package, predict, leave pictures and scores in demo-output/
# make test    every check: style, types, layers, docs, tests
# make test-lowest, make test-newest   the core tests with the lowest versions that are declared, or the newest
# make docs    the documentation, in docs/_build/html
# make format  put the code into shape
# make clean   remove what make made, but for the virtual environment
#
# Each target makes and keeps up the virtual environment .venv by itself (scripts/setup.sh).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo test test-lowest test-newest lint types layers docs pytest format clean setup setup-dev system-libraries help

BIN := .venv/bin
DEMO_ARGS ?=
PYTEST_ARGS ?=
# Two tests at a time, each with one thread: more threads than cores wait for each other.
WORKERS ?= 2

help:
	@sed -n 's/^# make/make/p' Makefile

setup:
	@scripts/setup.sh run

setup-dev:
	@scripts/setup.sh dev

system-libraries:
	@scripts/system-libraries.sh

demo: setup
	$(BIN)/napari-unet demo -o demo-output $(DEMO_ARGS)

# pytest comes last, so that its summary closes the output.
test: lint types layers docs pytest

test-lowest test-newest: test-%: setup-dev system-libraries
	scripts/test-versions.sh $* $(PYTEST_ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev
	$(BIN)/mypy

layers: setup-dev
	$(BIN)/lint-imports

docs: setup-dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

pytest: setup-dev system-libraries
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist demo-output docs/_build docs/reference/_generated .coverage
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
