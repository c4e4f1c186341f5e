# `make demo` and `make test` each do all set-up in a fresh clone: a virtual environment, the pinned packages, then the work.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= runs/demo
SEEDS ?= 1

.PHONY: demo test docs lint clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("kgzsl needs Python 3.11 or newer; set PYTHON=..." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Set-up alone.
.venv: $(VENV)/.ready

demo: $(VENV)/.ready
	$(BIN)/kgzsl demo all --out $(OUT) --seeds $(SEEDS)

# Two workers with a thread each: more threads than cores only wait for one another.
test: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and not gpu and not online'

# Every page, warnings as errors; the code blocks are run by tests/docs.
docs: $(VENV)/.ready
	$(BIN)/sphinx-build -W --keep-going -q -b html docs site

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs build dist
