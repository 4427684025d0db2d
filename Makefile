# Development tasks. `make check` is what a change must pass; .ci/run does more, on a fresh Debian machine.

PYTHON ?= .venv/bin/python
BIN := $(dir $(PYTHON))
WORKERS ?= 2
export PYTHONPATH := $(CURDIR)

.PHONY: help venv check test lint format types contracts bench pictures recording docs

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv:  ## create .venv with everything for development
	python3 -m venv .venv
	.venv/bin/pip install -e '.[test,pictures]'

check: lint types contracts test  ## lint, types, contracts and tests

test:  ## run all tests; TESTS=path runs some
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

lint:  ## check rules and formatting
	$(BIN)ruff check .
	$(BIN)ruff format --check .

format:  ## format the code and apply safe fixes
	$(BIN)ruff check --fix .
	$(BIN)ruff format .

types:  ## check types
	$(BIN)mypy

contracts:  ## check who may import whom
	$(BIN)lint-imports

bench:  ## short benchmark of reports; BENCH=name runs another
	$(PYTHON) -m bench.$(or $(BENCH),reports) $(BENCH_ARGS)

docs:  ## build the documentation site into site/, any warning is an error
	$(PYTHON) -m mkdocs build --quiet --strict -f .ci/site/mkdocs.yml

pictures:  ## redraw screenshots/ from the demo (needs the extra "pictures")
	$(PYTHON) -m tui.demo.screenshots

recording:  ## make the packaged recording of the demo anew
	$(PYTHON) -m tui.demo.packaged_recording
