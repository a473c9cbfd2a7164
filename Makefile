# Everything starts here: `make run` serves, `make test` proves. Neither needs a step before it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes, which need not compile our modules each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run models test test-mongodb ferretdb ferretdb-modules test-ferretdb test-fast faults security lint types bench audit licences sbom lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

run: models ## Install, obtain the model if it isn't there, and serve on http://localhost:1337
	@exec $(BIN)/python -m server run

models: $(VENV)/installed ## Obtain and convert the model that TF_MODEL_URL names
	@$(BIN)/python -m server models fetch

# Whole files side by side; those marked `alone` follow by themselves. In their order, by which those
# that wait for clocks and servers, tests/faults, come early: at the end they would wait by themselves.
SIDE_BY_SIDE := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test: $(VENV)/installed-dev ## Obtain all three models and run the whole test suite
	@$(BIN)/python -m server models fetch --all
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not alone" --ignore=tests/browser
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not alone" tests/browser
	$(BIN)/python -m pytest -m alone $$(grep -rl --include="test_*.py" "mark.alone" tests)

test-mongodb: $(VENV)/installed-dev ## The same with a mongo-java-server as well; needs Java 17 and Maven
	$(BIN)/python tests/mongo_java_server/run.py $(MAKE) test

ON_FERRETDB := $(addprefix tests/,sdk $(addprefix server/,storage objects routes \
  test_recorded_exchanges.py test_idempotency.py))

test-ferretdb: $(VENV)/installed-dev ferretdb ## Run those of storage, the Parse API and the SDK on a FerretDB; needs Go
	@$(BIN)/python -m server models fetch --all
	$(BIN)/python tests/ferretdb/run.py $(BIN)/python -m pytest $(SIDE_BY_SIDE) \
	  -k "mongodb and not nx" $(ON_FERRETDB)

ferretdb: data/ferretdb/server

# GOTOOLCHAIN keeps an older Go from obtaining a newer one, and the limits all from waiting for what
# does not come.
ferretdb-modules:
	cd tests/ferretdb && GOTOOLCHAIN=local timeout 300 go mod download

data/ferretdb/server: $(wildcard tests/ferretdb/*.go tests/ferretdb/go.*)
	cd tests/ferretdb && GOTOOLCHAIN=local timeout 900 \
	  go build -buildvcs=false -tags ferretdb_no_postgresql -o ../../$@ .

test-fast: $(VENV)/installed-dev ## Run the tests that take no more than a few seconds each
	@$(BIN)/python -m server models fetch --all
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow and not alone"

# What hits an installation in tests/faults/test_storm.py; `make test` takes a small share of it.
FAULTS_SAVES    ?= 10000
FAULTS_KILLS    ?= 20
FAULTS_OUTAGE_S ?= 10

# TEST_DATABASE_URI names the MongoDB server that the last part of it runs on; without one it is
# nx-27017, which is too slow for more than 500 saves.
faults: $(VENV)/installed-dev ## Kill and stop everything under load: 10,000 saves, 20 kills
	@test -n "$$TEST_DATABASE_URI" || \
	  echo "TEST_DATABASE_URI names no MongoDB server: the database is stopped under 500 saves only."
	@$(BIN)/python -m server models fetch --all
	TEST_NEEDS_REDIS=1 FAULTS_SAVES=$(FAULTS_SAVES) FAULTS_KILLS=$(FAULTS_KILLS) \
	  FAULTS_OUTAGE_S=$(FAULTS_OUTAGE_S) $(BIN)/python -m pytest tests/faults \
	  --log-cli-level=INFO --log-cli-format="%(asctime)s %(message)s"

security: $(VENV)/installed-dev $(VENV)/installed-audit ## Attack it: hostile pictures, requests and URLs by the thousand, within 20 minutes
	@$(BIN)/python -m server models fetch --all
	SECURITY_FULL=1 $(BIN)/python -m pytest tests/security

lint: $(VENV)/installed-dev ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev ## Check types
	$(BIN)/mypy

bench: $(VENV)/installed-dev ## Measure images beside the bare model, small calls beside Parse Server, saves, the panel
	@$(BIN)/python -m server models fetch --all
	@PYTHONPATH=. $(BIN)/python bench/bench.py
	@PYTHONPATH=. $(BIN)/python bench/parse.py
	@PYTHONPATH=. $(BIN)/python bench/saves.py
	@PYTHONPATH=. $(BIN)/python bench/overload.py
	@PYTHONPATH=. $(BIN)/python bench/storage.py
	@PYTHONPATH=. $(BIN)/python bench/find.py
	@PYTHONPATH=. $(BIN)/python bench/memory.py
	@PYTHONPATH=. $(BIN)/python bench/desk.py
	@PYTHONPATH=. $(BIN)/python bench/panel.py

audit: $(VENV)/installed-audit ## Look for known vulnerabilities of what the server is made of (asks a public database)
	$(BIN)/pip-audit --strict --disable-pip --no-deps -r requirements/runtime.txt

# MPL covers certificates and a progress bar, used unchanged.
LICENCES := MIT;BSD;Apache;ISC;PSF;MPL;Mozilla
licences: $(VENV)/installed-audit ## List the licences of what the server is made of; fail on others
	$(BIN)/pip-licenses --partial-match --allow-only="$(LICENCES)" \
	  --packages $$(sed -nE 's/^([A-Za-z0-9._-]+)==.*/\1/p' requirements/runtime.txt)

sbom: $(VENV)/installed-audit ## Write sbom.json, the parts of the server in CycloneDX form
	$(BIN)/cyclonedx-py requirements requirements/runtime.txt --output-reproducible -o sbom.json

lock: $(VENV)/installed-dev ## Pin requirements/*.in anew, with hashes
	@for name in runtime models dev audit; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links requirements/$$name.in -o requirements/$$name.txt; \
	done

clean: ## Remove the virtual environment and caches; DATA_DIR stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "The venv module is missing; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/installed: $(BIN)/python requirements.txt requirements/runtime.txt requirements/models.txt
	@echo "Installing the requirements into $(VENV), once; about 500 MB are downloaded."
	@$(BIN)/pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/dev.txt
	@echo "Installing what the tests need."
	@$(BIN)/pip install --quiet -r requirements/dev.txt
	@touch $@

$(VENV)/installed-audit: $(VENV)/installed requirements/audit.txt
	@$(BIN)/pip install --quiet -r requirements/audit.txt
	@touch $@
