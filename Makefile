# Every target that needs Python sets up the virtual environment first; later runs find it ready.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run playground demo doctor test slow live chaos bench check lint types format messages lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.playground ## the bot on Discord, or the playground while there is no DISCORD_TOKEN
	@$(PY) -m bot run --or-playground

playground: $(VENV)/.playground ## a page like Discord, with the real bot behind it and no account needed
	@$(PY) -m bot playground

demo: $(VENV)/.playground ## the same without a browser: four engines, with the images in out/
	@$(PY) -m bot demo

# Its exit status 1 means that something is left to do, which it has printed: for make that is no error.
doctor: $(VENV)/.playground ## check the settings and say what is missing
	@$(PY) -m bot doctor || [ $$? = 1 ]

test: $(VENV)/.dev ## the tests, without the slow ones
	@$(PY) -m pytest -n auto --dist worksteal -m "not slow and not live"

slow: $(VENV)/.dev ## only the slow tests
	@$(PY) -m pytest -n auto --dist worksteal -m slow

live: $(VENV)/.dev ## the tests against a real image server, which is built first: about five minutes, once
	@nice $(PY) -m live --build && $(PY) -m pytest -m live tests/live

chaos: $(VENV)/.dev ## kill the bot 200 times under load, and count what was lost or paid for twice; see CHAOS="--help"
	@$(PY) -m chaos $(CHAOS)

bench: $(VENV)/.dev ## measure everything: 45 minutes, on an otherwise idle machine; BENCH="--only start" for a part
	@$(PY) -m benchmarks $(BENCH)

check: lint types test ## what must be green before a commit

lint: $(VENV)/.dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: $(VENV)/.dev
	@$(PY) -m mypy

format: $(VENV)/.dev ## format the code
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

lock: $(VENV)/.dev ## pin what requirements/*.in ask for, with hashes, for every Python from 3.11 on
	@$(PIP) uv
	@for set in run playground dev; do \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header $(LOCK) requirements/$$set.in --output-file requirements/$$set.txt || exit 1; \
	done

# Babel collects the arguments of `message`, `t` and `plural` from bot/text.py, and of discord.py's `locale_str`.
MESSAGES := bot/locale/easel.pot
messages: $(VENV)/.dev ## collect every text for people into bot/locale/easel.pot, for translators
	@$(PY) -m babel.messages.frontend --quiet extract --no-default-keywords \
	  --keyword message:1c,2 --keyword message:1c,2,3,3t --keyword message:1c,2,3,4t --keyword t:1 --keyword plural:1,2 --keyword locale_str:1 \
	  --omit-header --no-location --no-wrap --sort-output --output $(MESSAGES) bot cogs

clean: ## remove what was installed and made, but not the data
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version) …"; \
	    $$python -m venv --clear $(VENV) && exit 0; \
	    rm -rf $(VENV); exit 1; \
	  fi; \
	done; \
	echo "Easel needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1

# For a smaller set, pip has nothing to do if a larger set is already installed.
$(VENV)/.playground $(VENV)/.dev: $(VENV)/.%: requirements/%.txt | $(PY)
	@echo "Installing the pinned requirements ($*) …"
	@$(PIP) --require-hashes --requirement $<
	@touch $@
