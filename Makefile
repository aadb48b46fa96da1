# make serve [PORT=8000]   serve the default bundle on the CPU          make test    run the whole suite
# make check               lint, types, import layers                  make clean   remove what these made
# make test-engines        build TensorRT engines for several GPUs, without one (Linux on x86_64; minutes)
# make develop             install what training, export and the tests need, which `make test` does too
#
# Each does the set-up that it needs. PYTHON is any Python 3.11 or later. PIP_FLAGS goes to pip: on Linux without an NVIDIA
# GPU, PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu" spares `make test` torch's gigabytes of CUDA.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
PIP_FLAGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(PIP_FLAGS) --constraint constraints.txt

.PHONY: serve develop test test-engines check format clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

serve: .venv/serves
	@$(BIN)/python -m service --host $(HOST) --port $(PORT)

develop: .venv/develops

test: .venv/develops
	$(BIN)/python -m pytest --cov --cov-report=
	@echo "lines that the tests ran, in per cent ($(BIN)/coverage report lists the others):"
	@for package in service models export; do \
		printf '  %-8s' $$package; $(BIN)/coverage report --include="$$package/*" --format=total; done

test-engines: .venv/develops
	$(BIN)/python -m pytest -m engines

check: .venv/develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/develops
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Singleshot needs Python 3.11 or later; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/serves: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing what serving needs (once, some minutes of downloads)"
	@$(PIP) --editable '.[cpu]'
	@touch $@

.venv/develops: .venv/serves
	@echo "installing what training, export and the tests need (once, some minutes of downloads)"
	@$(PIP) --editable '.[cpu,train,engine,dev]'
	@touch $@

clean:
	rm -rf .venv build *.egg-info
