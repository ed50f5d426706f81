# Two commands for a newcomer: `make run` and `make test`. Everything lands in .venv; a second call is fast.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPACT := build/compact
WORKSPACE ?= workspace
EXPORTS ?= ../shared/exports

.PHONY: run test check format audit screenshots compact-model

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), "Python 3.11 to 3.13 is needed: make PYTHON=python3.12"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

run: $(STAMP)
	$(BIN)/drywall-qa demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(COVERAGE)

# As `make test`, and shows which lines no test runs; counting them takes half as long again.
check: COVERAGE := --cov --cov-report=term:skip-covered
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -r core data training dashboard pages -ll -c pyproject.toml
	$(MAKE) test COVERAGE="$(COVERAGE)"

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: $(STAMP)
	$(BIN)/pip-audit --skip-editable

screenshots: $(STAMP)
	$(BIN)/python -m docs.screenshots $(WORKSPACE)

# Trains the shipped checkpoint from scratch on real and generated photos, scores it on photos it never saw, puts it in place.
compact-model: $(STAMP)
	$(BIN)/python -m training.studies.compact $(COMPACT) $(EXPORTS) --drawn tests/data/drawn_bands.json
