# Everything a person does with the lab, one command each. `make help` lists them.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
PORT   ?= 8501
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check --no-compile
# On every core, where pip takes one; files that are written for another Python stay as they are.
COMPILE := $(PY) -m compileall -qq -j 0 $(VENV)/lib || true

# Small networks run many times slower when threads outnumber free cores.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup run test suite pages slow lint fix bench screenshots browser clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready ## environment and dependencies in .venv

run: setup ## engine daemon and page on http://127.0.0.1:8501
	@$(PY) -m engine list > /dev/null
	$(PY) -m streamlit run app/main.py --server.address 127.0.0.1 --server.port $(PORT)

test: lint suite pages ## lint, then every test, a real browser included

suite: $(VENV)/.ready-dev
	$(BIN)/pytest -n 3 --dist loadgroup -m "not browser and not slow"  # many wait for processes

pages: browser suite
	$(BIN)/pytest -m browser tests/e2e

slow: $(VENV)/.ready-dev ## train every preset to what its card says: an hour
	$(BIN)/pytest -m slow -o faulthandler_timeout=4000  # longer than any of them may take

lint: $(VENV)/.ready-dev ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: $(VENV)/.ready-dev ## format and mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: browser ## measure the engine and the page on this machine
	$(PY) -m engine bench
	$(PY) -m tests.e2e.bench_page --ticks 600

screenshots: browser ## every page in every state and both themes, into screenshots/
	$(PY) -m tests.e2e.screenshots

browser: $(VENV)/.ready-dev
	@$(PY) -m tests.e2e.chromium

clean: ## remove the environment and caches; runs in .lab stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: requirements.txt | $(VENV)/bin/python
	$(PIP) -r requirements.txt
	@$(COMPILE)
	$(PY) -m app.bundle
	$(PY) -m engine.worker.rehearsal
	@touch $@

$(VENV)/.ready-dev: requirements-dev.txt $(VENV)/.ready
	$(PIP) -r requirements-dev.txt
	@$(COMPILE)
	@touch $@
