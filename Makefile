# make serve [PORT=8000]   serve the default bundle on the CPU
# make test                run the whole suite
# make coverage            the same, slower, and print which share of the lines it ran
# make test-engines        build TensorRT engines for several GPUs, without a GPU (Linux on x86_64; takes minutes)
# make check               lint, types, import contracts
# make check-manifests     check the Helm chart and the other manifests against the schemas of Kubernetes
# make format              let ruff format the code and mend what it can
# make develop             install what training, export and the tests need; `make test` does this too
# make clean               remove .venv and what builds left
#
# Each command does the set-up that it needs. PYTHON is any Python 3.11 or later. PIP_FLAGS is passed to pip: on Linux
# without an NVIDIA GPU, PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu" keeps `make test` from
# downloading torch's gigabytes of CUDA libraries.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
PIP_FLAGS ?=
BIN := .venv/bin
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(PIP_FLAGS) --constraint constraints.txt

.PHONY: serve develop test coverage test-engines check check-manifests format clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

serve: .venv/serves
	@$(BIN)/python -m service --host $(HOST) --port $(PORT)

develop: .venv/develops

test: .venv/develops
	$(TESTS)

coverage: .venv/develops
	$(TESTS) --cov --cov-report=
	@echo "lines that the tests ran, in per cent ($(BIN)/coverage report lists the others):"
	@for package in service models export singleshot; do \
		printf '  %-8s' $$package; $(BIN)/coverage report --include="$$package/*" --format=total; done

test-engines: .venv/develops
	$(BIN)/python -m pytest -m engines

check: .venv/develops
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-manifests: build/manifests/installed
	@build/manifests/venv/bin/python -m deploy.manifests

format: .venv/develops
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Singleshot needs Python 3.11 or later; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/serves: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing what serving needs (only once; the downloads take some minutes)"
	@$(PIP) --editable '.[cpu,client]'
	@touch $@

.venv/develops: .venv/serves
	@echo "installing what training, export and the tests need (only once; the downloads take some minutes)"
	@$(PIP) --editable '.[cpu,train,engine,dev]'
	@touch $@

build/manifests/installed: deploy/requirements.txt
	@echo "installing the schemas of Kubernetes (only once)"
	@$(PYTHON) -m venv build/manifests/venv
	@build/manifests/venv/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_FLAGS) --requirement $<
	@touch $@

clean:
	rm -rf .venv build *.egg-info .coverage
