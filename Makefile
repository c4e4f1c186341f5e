# `make demo` and `make test` each do all set-up in a fresh clone: a virtual environment, the pinned packages, then the work.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= runs/demo
SEEDS ?= 1

.PHONY: demo test slow docs lint dist notebooks clean

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

# What `make test` leaves out for its length.
slow: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'slow and not gpu and not online'

# Every page, warnings as errors; the code blocks are run by tests/docs.
docs: $(VENV)/.ready
	$(BIN)/sphinx-build -W --keep-going -q -b html docs site

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Wheel and source distribution, each installed where there is nothing else: a new virtual environment.
dist: $(VENV)/.ready
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(PYTHON) -m venv dist/.venv
	dist/.venv/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt torch
	dist/.venv/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt dist/*.whl
	cd dist && .venv/bin/kgzsl --help && .venv/bin/kgzsl doctor
	dist/.venv/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --force-reinstall dist/*.tar.gz
	cd dist && .venv/bin/kgzsl --version && .venv/bin/kgzsl recipes

# Both notebooks, cell by cell.
notebooks: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/examples/test_notebooks.py

clean:
	rm -rf $(VENV) runs build dist
