# Two commands do most: `make demo` runs the main job on a made-up dump, `make test` checks what there is in minutes.
# `make test-all` checks every case, `make torture` what takes longest; `make coverage` says what no test runs.
# `make fuzz SECONDS=600` runs every target of benchmarks/fuzz for that many seconds, with atheris where it is installed.
# `make conformance` counts what is right of public suites that lie in SOCORPUS_REAL_DATA, and skips where they don't.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo docs test test-all torture conformance fuzz coverage lint types clean

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/socorpus sample demo/dump
	$(BIN)/socorpus build demo/dump -o demo/corpus
	$(BIN)/socorpus labeling analyze demo/corpus
	$(BIN)/socorpus train demo/corpus
	$(BIN)/socorpus export demo/corpus/runs/tiny -o demo/model --force
	@echo
	@echo "Open demo/corpus/report.html in a browser, ask for one post's story with"
	@echo "  $(BIN)/socorpus explain demo/corpus SITE:ID"
	@echo "let people correct the labels, with these two side by side,"
	@echo "  $(BIN)/socorpus labeling studio"
	@echo "  $(BIN)/socorpus labeling sync demo/corpus --project Closure --task closure"
	@echo "or build a dump of your own:"
	@echo "  $(BIN)/socorpus build beer.stackexchange.com.7z -o corpus"

# The documentation as a site, in build/site.
docs: setup
	$(BIN)/python docs/prepare_site.py build/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open build/site/index.html, or serve it: $(BIN)/python -m http.server -d build/site"

# A process takes a group of tests at a time; which tests are a group, and in which order, tests/conftest.py says.
PYTEST := $(BIN)/pytest -n 2 --durations=10

test: lint types
	$(PYTEST)

test-all: lint types
	$(PYTEST) -m 'not torture'

torture: setup
	$(PYTEST) -m torture

conformance: setup
	$(BIN)/pytest -q tests/conformance

SECONDS ?= 20
fuzz: setup
	$(BIN)/python -m benchmarks.fuzz --seconds $(SECONDS)

coverage: setup
	$(PYTEST) --cov --cov-report=term-missing

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

clean:
	rm -rf $(VENV) demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
