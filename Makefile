# One command each: `make demo` to look, `make` before a commit, `make help` for the rest.
# They make .venv themselves, and again only when the pinned versions change; uv does it if it is there, else pip.

VENV := .venv
IN_VENV := $(VENV)/bin/python
SOURCES := widget_server tests bench

OLDEST := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$python -c '$(OLDEST)' 2>/dev/null; then echo $$python; break; fi; done)
UV := $(shell command -v uv 2>/dev/null)

# Tests and the bench start `python -m widget_server` in folders of their own.
export PYTHONPATH := $(CURDIR)
# They start it so often that it may not be compiled anew each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: check demo test chaos bench pictures format format-check lint types pins clean help
.DEFAULT_GOAL := check

check: format-check lint types test  ## Everything that must be true before a commit

demo: $(VENV)/.runtime  ## Start everything with a sample site, on one port
	@exec $(IN_VENV) -m widget_server demo

test: $(VENV)/.tools  ## Run all tests
	$(IN_VENV) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

chaos: $(VENV)/.tools  ## Ten minutes of real processes under faults, see docs/reliability.md
	$(IN_VENV) -m tests.chaos --minutes 10

bench: $(VENV)/.tools  ## Measure against bare references and write bench/RESULTS.md
	$(IN_VENV) -m bench

pictures: $(VENV)/.tools  ## Take the pictures of the documents anew
	$(IN_VENV) -m tests.browser.pictures

format: $(VENV)/.tools  ## Bring the code into its form
	$(IN_VENV) -m ruff format $(SOURCES)
	$(IN_VENV) -m ruff check --fix $(SOURCES)

format-check: $(VENV)/.tools
	$(IN_VENV) -m ruff format --check $(SOURCES)

lint: $(VENV)/.tools
	$(IN_VENV) -m ruff check $(SOURCES)

types: $(VENV)/.tools
	$(IN_VENV) -m mypy

pins:  ## Choose the newest versions that pyproject.toml allows, and pin them (needs uv)
	uv pip compile --quiet --upgrade $(COMPILED) --group dev --output-file requirements-dev.txt pyproject.toml
	uv pip compile --quiet --upgrade $(COMPILED) --constraints requirements-dev.txt --output-file requirements.txt pyproject.toml
COMPILED := --universal --python-version 3.11 --extra postgres --no-annotate --custom-compile-command 'make pins'

clean:  ## Remove .venv and what the tools have left; the data folder stays
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

help:
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 10

$(VENV)/.runtime: requirements.txt
ifdef UV
	$(UV) venv --quiet --clear --python $(or $(PYTHON),'>=3.11') $(VENV)
	$(UV) pip install --quiet --python $(IN_VENV) --requirement requirements.txt
else
	@$(if $(PYTHON),,echo "Tenuto needs Python 3.11 or later, and finds $$(python3 --version 2>/dev/null || echo none)." >&2; exit 1)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) comes without venv here: install it first (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
endif
	@touch $@

$(VENV)/.tools: $(VENV)/.runtime requirements-dev.txt
ifdef UV
	$(UV) pip install --quiet --python $(IN_VENV) --requirement requirements-dev.txt
else
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
endif
	@touch $@
