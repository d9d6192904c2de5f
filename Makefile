# make demo   sets up .venv-demo (one backend) and runs the main job on embedded data
# make test   sets up .venv (three backends) and runs the whole suite on each of them
# make check  runs the tests of one loss, LOSS=GCE, on BACKEND (default jax)
# make bench  runs the benchmarks in the same environment, on BACKEND (default jax)
# make gpu    runs the losses' reference values, the benchmarks and whole rows on a GPU; results in build/gpu
# make package  builds sdist and wheel into dist/, and installs the wheel into an empty environment
# make docs   builds the documentation into site/, and fails on a warning
# make lint   ruff, as make test runs it first

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
BACKENDS ?= tensorflow jax torch
# One for each of the backends that run at once, two for one that runs alone: there are two cores.
WORKERS ?= $(if $(filter 1,$(words $(filter-out tensorflow,$(BACKENDS)))),2,1)
TESTS = $(BACKENDS:%=test-%)
AT_ONCE = $(MAKE) --no-print-directory --jobs --keep-going --output-sync=target
PIP = -m pip install --quiet --disable-pip-version-check
# The one that comes with Python 3.11 takes twice as long to find out what goes together.
NEW_PIP = $(PIP) --upgrade pip
# Python compiles a module when it is first imported, which most of them never are, and keeps what it compiled.
LAZY = --no-compile
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test $(TESTS) check bench gpu package docs lint clean

demo: .venv-demo/ready
	KERAS_BACKEND=jax .venv-demo/bin/keras-robust compare --dataset digits --noise symmetric:0.4 \
		--losses CE GCE NCEandRCE ANLCE DAL --epochs 60 --seeds 3

# The tests on TensorFlow end with many GB that nothing gives back, and have the machine for themselves; the others share
# it. Each prints what it has to say when it ends.
test: lint
	@failed=0; $(AT_ONCE) docs $(filter test-tensorflow,$(TESTS)) || failed=1; \
	$(AT_ONCE) .venv/ready $(filter-out test-tensorflow,$(TESTS)) || failed=1; \
	exit $$failed

test-tensorflow: WORKERS = 2
$(TESTS): test-%: .venv/ready
	@echo "== $*"
	@KERAS_BACKEND=$* .venv/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

check: .venv/ready
	KERAS_BACKEND=$(or $(BACKEND),jax) .venv/bin/python -m pytest tests/losses --loss "$(LOSS)"

bench: .venv/ready
	for script in $(filter-out $(addprefix benchmarks/,measuring.py gpu.py host_syncs.py rows.py),$(wildcard benchmarks/*.py)); do echo "== $$script"; KERAS_BACKEND=$(or $(BACKEND),jax) .venv/bin/python $$script; done

gpu: .venv/ready
	.venv/bin/python benchmarks/gpu.py --out build/gpu $(ARGS)

package: .venv/ready
	rm -rf dist build/installed
	.venv/bin/python -m build --no-isolation --outdir dist . >/dev/null
	$(PYTHON) -m venv build/installed
	build/installed/bin/python $(NEW_PIP)
	build/installed/bin/python $(PIP) $(LAZY) "$$(echo dist/*.whl)[jax]"
	build/installed/bin/python -m pip check
	cd build && KERAS_BACKEND=jax installed/bin/keras-robust --version
	ls dist

docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

.venv-demo/ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python $(NEW_PIP)
	.venv-demo/bin/python $(PIP) --editable '.[demo]'
	touch $@

.venv/ready: pyproject.toml tests/requirements.txt tests/requirements-alone.txt docs/tools/requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python $(NEW_PIP)
	.venv/bin/python $(PIP) $(LAZY) --requirement tests/requirements.txt --requirement docs/tools/requirements.txt --editable '.[dev,docs]'
	.venv/bin/python $(PIP) $(LAZY) --no-deps --requirement tests/requirements-alone.txt
	touch $@

clean:
	rm -rf site dist build .venv .venv-demo .pytest_cache .ruff_cache .hypothesis
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/keras_robust-tests"
