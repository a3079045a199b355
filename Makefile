# What there is to do here; `make` alone lists it. Only CPython 3.11+ is taken for granted
# (and npm, or else a Node from the Python package index): each verb sets up what it needs.
.DEFAULT_GOAL := help
.PHONY: help setup run test check figures screenshots soak chaos bench build runtime chromium postgres clean

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install -qq --disable-pip-version-check
DEV := $(VENV)/dev.stamp
RUN := $(VENV)/run.stamp
PYODIDE := $(VENV)/pyodide.stamp
TESTS ?= tests
ARGS ?=

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV) $(PYODIDE) runtime postgres ## Make .venv, install what is pinned, build the browser runtime

run: runtime ## Serve Driftline on http://127.0.0.1:8000
	@exec $(PY) serve.py

test: setup chromium check ## Run every check and every test (TESTS=path, ARGS="-k word")
	@$(PY) -m scripts.node_tools tests/tools
	@$(PY) -m pytest $(TESTS) $(ARGS)

check: $(DEV) ## Check format, lint and types
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy --no-error-summary

figures: setup chromium ## Measure the page with 10,000 messages, against the bounds
	@$(PY) -m pytest tests/browser/large_log.py --log-cli-level=INFO

screenshots: setup chromium ## Picture every route and state into docs/screenshots (ARGS="offline conflict")
	@$(PY) -m tests.browser.pictures $(ARGS)

soak: $(DEV) ## Run the simulation for long (ARGS="--schedules 3000 --seed 1")
	@$(PY) -m tests.simulation $(or $(ARGS),--schedules 3000)

chaos: $(DEV) postgres ## Kill servers and PostgreSQL under load (ARGS="--kills 100 --crashes 10")
	@$(PY) -m tests.server.chaos $(ARGS)

bench: setup chromium postgres ## Print the benchmarks (ARGS="server --seconds 10")
	@$(PY) -m bench $(ARGS)

build: runtime ## Write the static site to dist/
	@$(PY) serve.py build

runtime: | $(RUN) ## Build runtime/dist, what the page loads of others' work
	@$(PY) -m runtime.build

chromium: $(DEV)
	@$(PY) -m scripts.chromium

postgres: $(DEV)
	@$(PY) -m scripts.postgres

clean: ## Delete everything that was made, but no data
	@rm -rf $(VENV) node_modules runtime/dist runtime/.cache dist test-results
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment whose Python has gone is made anew, and everything in it installed again.
$(PY):
	@python=$$(scripts/find-python) && "$$python" -m venv --clear $(VENV)

$(RUN): requirements.txt $(PY)
	@echo "Installing the packages of requirements.txt"
	@$(PIP) -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt requirements.txt $(PY)
	@echo "Installing the packages of requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $(RUN) $@

# The same pytest, for the interpreter that the page loads: its packages are built for WebAssembly.
$(PYODIDE): tests/pyodide/requirements.txt $(PY)
	@rm -rf $(VENV)/pyodide
	@$(PIP) --target $(VENV)/pyodide --no-deps --only-binary=:all: --implementation=cp \
	  --python-version=3.14 --abi=cp314 --abi=none \
	  --platform=pyemscripten_2026_0_wasm32 --platform=any -r tests/pyodide/requirements.txt
	@touch $@
