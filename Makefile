# The same targets for a person and for CI. `make` alone lists them.
# Each prepares .venv first; a stamp file there records each finished step, so later runs start at once.

SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?=
UV_VERSION := 0.13.9
ARGS ?=

VENV := .venv
# Called as `python -m`, so that `make run` still works after the folder has moved.
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input -qq

# A virtual environment dies with the Python it was made from; it is then made anew.
ifneq ($(wildcard $(VENV)/.created),)
ifneq ($(shell $(PY) -c 'print(1)' 2>/dev/null),1)
$(shell rm -f $(VENV)/.created)
endif
endif

.PHONY: help setup run test check bench soak screenshots lock clean

help: ## List the targets.
	@echo 'usage: make TARGET [ARGS="arguments for the command"] [PYTHON=/path/to/python3]'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.dev ## Prepare .venv with everything for development, and start nothing.
	@echo 'Ready: $(VENV)'

run: $(VENV)/.project ## Serve Flask under /flask and FastAPI under /fastapi (ARGS="--port 9000").
	@exec $(PY) -m gateway serve $(ARGS)

test: $(VENV)/.dev ## Run the tests (ARGS="-k lifespan").
	@$(PY) -m pytest $(ARGS)

check: $(VENV)/.dev ## Check format, lint, types and the direction of imports.
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

bench: $(VENV)/.dev ## Measure the gateway beside its peers; needs wrk (ARGS="--quick").
	@$(PY) -m benchmarks $(ARGS)

soak: $(VENV)/.dev ## Ask and abuse the gateway for 15 minutes; is it flat? Linux (ARGS="--minutes 2").
	@$(PY) -m benchmarks.soak $(ARGS)

screenshots: $(VENV)/.dev ## Take the pictures of the README anew; needs Chromium.
	@$(PY) -m tests.live.portal.screenshots

lock: build/lock/.created ## Write both lock files anew, versions kept (ARGS="--upgrade" for newer ones).
	@$(LOCK) --extra postgres --extra redis --group build -o requirements.lock $(ARGS)
	@$(LOCK) --extra postgres --extra redis --group dev -c requirements.lock -o requirements-dev.lock $(ARGS)
	@! grep -nE '://|^ *(-i|-f|--[a-z-]*(index|find)[a-z-]*)\b' requirements.lock requirements-dev.lock \
		|| { echo 'A lock file names an address; it may hold only versions and hashes.' >&2; exit 1; }
	@echo 'Written: requirements.lock requirements-dev.lock'

clean: ## Remove .venv, build results and caches; data in var/ and benchmark results stay.
	rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- .venv, in the order of the steps -----------------------------------------------------------

CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3)

# Each candidate is run, not only looked up: version managers leave names that start nothing. One
# without ensurepip cannot make a virtual environment, and is remembered for the message only.
$(VENV)/.created:
	@found=; bare=; \
	for candidate in $(CANDIDATES); do \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then found=$$candidate; break; fi; \
		bare=$${bare:-$$candidate}; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
		echo "$$bare cannot make virtual environments: install its venv and ensurepip modules (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; \
	elif [ -z "$$found" ]; then \
		echo 'No working Python 3.11 or newer among: $(CANDIDATES). Install one (Debian, Ubuntu: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3' >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.locked: $(VENV)/.created requirements.lock
	@echo "Installing what requirements.lock pins"
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.project: $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.project requirements-dev.lock
	@echo "Installing what requirements-dev.lock pins"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# --- the tool that writes the lock files, apart from what it locks ---------------------------------

LOCK = build/lock/bin/python -m uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

build/lock/.created: $(VENV)/.created
	@echo "Installing uv $(UV_VERSION)"
	@$(PY) -m venv --clear build/lock
	@build/lock/bin/python -m pip --disable-pip-version-check --no-input -qq install uv==$(UV_VERSION)
	@touch $@
