# `make demo` and `make test` do everything; each target sets up .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_SHOWN := $(BIN)/python -m pip --disable-pip-version-check
PIP := $(PIP_SHOWN) --quiet

.PHONY: demo audit-demo test test-fast test-extras coverage lowest lint docs dist dist-check bench clean

# The first and largest download shows pip's progress, so that nobody waits before a silent terminal.
define SET_UP
	@echo "Setting up $(VENV), once: some minutes, 1.6 GB on disk. On Linux pip may choose PyTorch with CUDA,"
	@echo "several GB more. To avoid it, pass the address of PyTorch's CPU builds, which its installation page"
	@echo "gives: make demo PIP_EXTRA_INDEX_URL=ADDRESS (README, What set-up downloads)."
	$(PYTHON) -m venv $(VENV)
	$(PIP_SHOWN) install -c constraints.txt -e
endef

$(VENV)/.run: pyproject.toml constraints.txt
	$(SET_UP) .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(SET_UP) ".[dev]"
	touch $(VENV)/.run $@

## Balance smiling x skin tone on the pinned face generator; report and sampler under runs/demo.
## ARGS passes flags on: make demo ARGS="--n 2000"
demo: $(VENV)/.run
	$(BIN)/equipoise demo $(ARGS)

$(VENV)/.audit: $(VENV)/.run
	$(PIP) install -c constraints.txt -e ".[audit]"
	touch $@

## Audit a classifier behind HTTP (face-api; needs Node 18) and super-resolution (bicubic, a search, two networks);
## reports under runs/audit.
## ARGS passes flags on: --n 1200 (images for face-api), --superres-n 240 (others, to restore), --labels 10000
## (for the balance), --out runs/audit. A quick try: make audit-demo ARGS="--labels 2000 --n 240 --superres-n 60"
audit-demo: $(VENV)/.audit
	$(BIN)/python examples/audit_demo.py $(ARGS)

LOWEST_TOOLS := fairlearn fastapi httpx2 hypothesis jsonschema onnx prdc 'pytest<9.2' pytest-xdist statsmodels torchmetrics uvicorn

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder

## All tests, doctests included, a process a core. ARGS passes flags on to pytest.
test: $(VENV)/.dev
	$(PYTEST) -m "" $(ARGS)

## The tests without the slow ones of tests/slow.txt, in some minutes.
test-fast: $(VENV)/.dev
	$(PYTEST) $(ARGS)

## All tests, and which lines and branches of src they run.
coverage: $(VENV)/.dev
	$(PYTEST) -m "" --cov --cov-report=term $(ARGS)

## The fast tests with the lowest versions that pyproject.toml declares (on Linux, 3 GB of downloads).
lowest: $(VENV)/.dev
	$(PYTHON) -m venv $(VENV)-lowest
	$(BIN)/uv pip uninstall -q -p $(VENV)-lowest/bin/python setuptools
	$(BIN)/uv pip compile -q --resolution lowest-direct pyproject.toml -o $(VENV)-lowest/versions.txt
	$(BIN)/uv pip install -q -p $(VENV)-lowest/bin/python -r $(VENV)-lowest/versions.txt \
		-c $(VENV)-lowest/versions.txt -e . $(LOWEST_TOOLS)
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder -m "not slow" \
		-W ignore::DeprecationWarning -W ignore::FutureWarning $(ARGS)

$(VENV)/.extras: $(VENV)/.dev
	$(PIP) install -c constraints.txt -e ".[dev,extras]"
	touch $@

## The tests that need Ray, Dask, a store, C2PA, ..., one by one: clusters of one machine find one another.
test-extras: $(VENV)/.extras
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m extras $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.docs: $(VENV)/.run
	$(PIP) install -c constraints.txt -e ".[docs]"
	touch $@

## The documentation site under site/; warnings are errors. Runs the examples of examples/gallery.
docs: $(VENV)/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -b html -d $(VENV)/doctrees docs site

$(VENV)/.dist: $(VENV)/.run
	$(PIP) install -c constraints.txt -e ".[dist]"
	touch $@

## Wheel and source distribution under dist/, checked.
dist: $(VENV)/.dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

## The wheel in an empty environment, outside the checkout: help, a balance of the toy, draws, an audit of answers.
dist-check: dist
	$(PYTHON) -m venv --clear $(VENV)-dist
	$(VENV)-dist/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt dist/*.whl
	.ci/wheel $(VENV)-dist

## Speed and memory of the pipeline, then methods side by side (hours; resumes); benchmarks/results.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/methods.py $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-dist site dist .hypothesis .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -rf docs/gallery docs/reference/generated docs/reference/public-names.rst
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
