# `make demo` and `make test` need python3 (>= 3.11), pip and make, and set up all else in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
endif
SAMPLES := $(VENV)/samples
# A process for each core, up to what memory bears; the tests of a file stay in one, as they share what they set up.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test lint unit plugins format golden clean

demo: $(VENV)/.demo ## train on handwritten digits, and say how accurate the network is
	@rm -rf demo/run
	@test -d demo/data || $(BIN)/archspec data sample digits demo/data
	$(BIN)/archspec build tiny
	$(BIN)/archspec train tiny --data imagefolder:demo/data --epochs 15 --set recipe.augmentation.flip=0 --out demo/run
	$(BIN)/archspec eval demo/run --split test

test: lint unit plugins ## everything that CI runs

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL)

plugins: $(SAMPLES)/.done ## the sample plugins, installed beside archspec: the other tests run without them
	$(SAMPLES)/$(notdir $(BIN))/python -m mypy $(wildcard plugins/*/src)
	OMP_NUM_THREADS=1 $(SAMPLES)/$(notdir $(BIN))/python -m pytest $(PARALLEL) plugins

format: $(VENV)/.test ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: $(VENV)/.test ## write the expected outputs anew; read the difference before you commit it
	ARCHSPEC_UPDATE_GOLDEN=1 $(BIN)/python -m pytest

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Debian's python3 may come without ensurepip; virtualenv brings its own pip.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  $(PYTHON) -m pip install --quiet --target $(VENV)-bootstrap virtualenv && \
	  PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv --quiet $(VENV); rm -rf $(VENV)-bootstrap; }

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[samples]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.demo

# An environment that sees all of .venv, and has the plugins and what they need in itself.
$(SAMPLES)/.done: plugins/make_environment.py $(wildcard plugins/*/pyproject.toml) $(VENV)/.test
	$(BIN)/python plugins/make_environment.py $(SAMPLES)
	@touch $@
