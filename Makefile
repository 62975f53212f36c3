# Two commands on a fresh machine: `make demo` and `make test`. Both do all of their own set-up.
PYTHON ?= python3
VENV ?= .venv
# most tests wait for servers and children, so there are more workers than a small machine has cores
WORKERS ?= 3
BENCHMARKS := start site_speed local_speed reader_finds event_loop history_speed orchestration many_runs queue_of_runs load abort \
  beside_docsfy
BIN := $(VENV)/bin
SHELL := /bin/bash

.PHONY: demo lab test soak bench lint pictures cases clean browser notebooks

$(VENV)/installed: pyproject.toml jupyter-config/docsfy_jupyter.json
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,lint,companions]'
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[clock]' || echo "no library for jumping clocks: those faults are left out"
	touch $@

demo: $(VENV)/installed  ## document this very checkout; the site is in build/demo-site/
	$(BIN)/jupyter docsfy generate . --name docsfy_jupyter --data-dir build/demo-data --output build/demo-site

lab: $(VENV)/installed  ## JupyterLab with the extension
	$(BIN)/pip install --quiet --disable-pip-version-check jupyterlab
	$(BIN)/jupyter lab

browser:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu >/dev/null; fi

test: $(VENV)/installed-test browser lint  ## everything that must hold
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

soak: SEED ?= $(shell date +%s)
soak: $(VENV)/installed-test browser  ## the same faults, aborts and bad input, ten times as many, and JupyterHub 5; half an hour
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -rP --moments 200 --aborts 1000 --examples 1000 \
	  --seed $(SEED) tests/faults tests/badinput tests/server/test_schemathesis.py
	DOCSFY_TEST_HUB=jupyterhub==5.5.4 $(BIN)/python -m pytest tests/deployments/test_jupyterhub.py

pictures: $(VENV)/installed-test demo browser  ## the README's pictures
	$(BIN)/python tests/pictures.py

cases: ## field cases without a test, with the reason
	@$(PYTHON) tests/test_cases.py

lint: $(VENV)/installed-test
	$(BIN)/ruff check docsfy_jupyter tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/installed-bench: $(VENV)/installed-test
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@

bench: $(VENV)/installed-bench browser  ## every measurement beside its mark; the table is build/benchmarks.json too
	@mkdir -p build; rm -f build/benchmarks.json; failed=0; \
	for name in $(BENCHMARKS); do \
	  echo "== benchmarks/$$name.py"; DOCSFY_BENCH_JSON=build/benchmarks.json $(BIN)/python benchmarks/$$name.py || failed=1; \
	done; echo "== all"; $(BIN)/python benchmarks/rows.py build/benchmarks.json; exit $$failed

notebooks: $(VENV)/installed-test  ## execute the example notebooks and store them as they are committed
	PYTHONPATH=tests $(BIN)/python tests/notebooks/refresh_notebooks.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
