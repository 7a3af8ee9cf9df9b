# Every intention has one name here. Needs Python 3.11 or newer (`make PYTHON=python3.12 ...`), make and git.

# The system's own Python where it is new enough: distributions build theirs with optimisations that pyenv leaves out
# unless told, and everything here takes a tenth less time with it.
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell [ -x .venv/bin/python ] && echo .venv/bin/python || \
	{ /usr/bin/python3 -c '$(NEW_ENOUGH)' 2>/dev/null && echo /usr/bin/python3; } || echo python3)
BIN := .venv/bin
ARGS ?=
SEEDS ?= 1
MINUTES ?= 60

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help setup demo stop up down status logs reset test test-sdks test-clients check docs format lock bench chaos clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv from requirements.lock (a minute the first time, nothing after that)
	@command -v $(PYTHON) >/dev/null || { echo "comeback: there is no $(PYTHON): install Python 3.11 or newer." >&2; exit 2; }
	@$(PYTHON) tools/bootstrap.py

demo: setup ## Start everything, replay a year of real orders and compare every figure
	@$(BIN)/comeback demo $(ARGS)

stop: down ## The same as down: stop everything that was started here

up: setup ## Start Kafka, PostgreSQL and the five services, and wait until they are ready
	@$(BIN)/comeback stack up $(ARGS)

down: setup ## Stop them; the data stays
	@$(BIN)/comeback stack down

status: setup ## Show what runs, with ports and memory
	@$(BIN)/comeback stack status

logs: setup ## Follow all logs; one of them: make logs ARGS=coupons-worker
	@$(BIN)/comeback stack logs --follow $(ARGS)

reset: setup ## Stop everything and delete its data
	@$(BIN)/comeback stack reset --yes

# All of them in two processes with a stack each: they wait more than they work. Files stay whole, many share a system.
test: setup ## Run all tests, on stacks of their own; some: make test ARGS="-k coupon"
	@$(BIN)/pytest $(or $(ARGS),-n 2 --dist loadfile)

test-sdks: setup ## Run Segment's SDKs against us, Node's and a browser's too: Node >= 20; installs a Chromium as root
	@$(BIN)/python -m tests.sdks.install
	@$(BIN)/pytest tests/sdks -m "node or not node" $(ARGS)

test-clients: setup ## Use clients generated from docs/contracts against a running system, TypeScript too: Node >= 20
	@$(BIN)/pytest tests/clients -m "node or not node" $(ARGS)

check: setup ## What CI checks: ruff, pyright, import contracts, the site with all its links
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(MAKE) docs

docs: setup ## Build the site of the documentation; a broken link stops it
	@$(BIN)/sphinx-build -E -W --keep-going -n -q docs build/docs && echo "The site is in build/docs/index.html."

format: setup ## Put the code in order (ruff)
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

bench: setup ## Measure everything on this machine, twenty minutes; one thing: .venv/bin/comeback bench --help
	@$(BIN)/comeback bench all $(ARGS)

chaos: setup ## The crash suite, seed after seed: make chaos SEEDS=20 MINUTES=60 ARGS="--first-seed 3 --verbose"
	@$(BIN)/python -m tests.faults.system --seeds $(SEEDS) --minutes $(MINUTES) $(ARGS)

lock: setup ## Renew requirements.lock and Kafka's jgo.lock.toml after a change of what they lock
	@$(BIN)/python -m tools.lock

clean: ## Stop everything; delete .venv, data and caches
	@if [ -x $(BIN)/comeback ]; then $(BIN)/comeback stack reset --yes; fi
	@rm -rf .venv .comeback .pytest_cache .ruff_cache .hypothesis .import_linter_cache build docs/reference *.egg-info
