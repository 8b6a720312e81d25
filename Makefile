# Every target makes .venv by itself the first time and reuses it afterwards.
# LAKE (default ./lake) and KEYS (default ./keys) say where data and keys live.

PYTHON := .venv/bin/python
# Tests of a file stay together, since they share what is slow to make; what starts an Airflow begins first (conftest.py), and
# mostly waits: one process more than there are cores.
WORKERS := $(shell expr $$(nproc) + 1)
PYTEST := $(PYTHON) -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Bytecode is kept: without it every start of Airflow and every task compiles its imports again.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help demo up down browser services test test-all soak check check-only fix bench train-linkage lock

help:
	@echo "make demo    invented extracts through the whole service: ends by itself, prints what came out"
	@echo "make up      start the service, leave it running, print its address"
	@echo "make down    stop the service and everything it started"
	@echo "make test    all tests but the slow ones (make test-all: those too)"
	@echo "make soak    killed at every place, 1,000 histories against a model, 1,000 small submissions: an hour and a half"
	@echo "make check   format, lint, types, secrets, lock, generated documents, tests"
	@echo "make fix     format and repair what can be repaired"
	@echo "make bench   time and memory against a bare copy of the same data"
	@echo "make train-linkage   train the linkage model again on invented people"
	@echo "make lock    compile requirements.lock again from pyproject.toml"

.venv/installed: requirements.lock scripts/make_venv.sh
	@sh scripts/make_venv.sh

demo: .venv/installed
	@$(PYTHON) scripts/demo.py

up: .venv/installed
	@$(PYTHON) scripts/airflow_service.py up

down: .venv/installed
	@$(PYTHON) scripts/airflow_service.py down

browser:
	@sh scripts/install_browser.sh

services:
	@sh scripts/install_services.sh

test: .venv/installed browser
	$(PYTEST) -m "not slow"

test-all: .venv/installed browser services
	$(PYTEST)

# Every place at which a run can end, many more histories, and how long a burst takes.
soak: .venv/installed
	SOAK=1 $(PYTEST) tests/test_abort.py tests/test_exactly_once.py
	@$(PYTHON) -m bench.burst

check: check-only test

check-only: .venv/installed
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) scripts/service_audit.py
	@$(PYTHON) -m transforms document --to .airflow/standard-pages

fix: .venv/installed
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: .venv/installed
	@$(PYTHON) -m bench

train-linkage: .venv/installed
	@$(PYTHON) scripts/train_linkage.py

lock: .venv/installed
	$(PYTHON) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --upgrade --output-file requirements.lock
