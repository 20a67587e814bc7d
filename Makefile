# Every target does its own set-up; nothing has to be installed by hand but Python 3.11-3.13 with venv.
#   make demo               segment a real CT with the shipped model
#   make demo-loop          correct scans, fine-tune a weak model with them, compare and promote: about five minutes
#   make test               style, types and the default test suite
#   make test-slow          all tests
#   make test-slicer-next   the tests of the Slicer module with the newest slicer-core (Linux)
# CUDA=1 installs torch's CUDA build; PYTHON=/path/to/python chooses the interpreter.

SHELL = /bin/sh
VENV_BIN = .venv/bin
NEXT = .venv/slicer-next
PYTEST_ARGUMENTS ?=
export CUDA ?= 0
export OMP_NUM_THREADS ?= 2

.PHONY: demo demo-loop test test-slow test-slicer-next lint setup-demo setup-test

demo: setup-demo
	@$(VENV_BIN)/vqseg demo --output demo-output --overwrite

demo-loop: setup-demo
	@$(VENV_BIN)/vqseg demo --loop --output demo-loop --overwrite

test: lint
	$(VENV_BIN)/python -m pytest $(PYTEST_ARGUMENTS)

test-slow: lint
	$(VENV_BIN)/python -m pytest -m "slow or not slow" $(PYTEST_ARGUMENTS)

# A folder of its own that comes first, so that `.venv` keeps the version that users have.
test-slicer-next: setup-test
	@$(VENV_BIN)/python -m pip install -qq --upgrade --no-deps --target $(NEXT) --requirement requirements/slicer-next.txt
	PYTHONPATH=$(NEXT) $(VENV_BIN)/python -m pytest Testing/slicer $(PYTEST_ARGUMENTS)

lint: setup-test
	$(VENV_BIN)/ruff check
	$(VENV_BIN)/ruff format --check
	$(VENV_BIN)/mypy

setup-demo setup-test: setup-%:
	@command -v python3 >/dev/null 2>&1 || command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "Python 3 is missing; install it with: sudo apt-get install python3 python3-venv" >&2; exit 2; }
	@PYTHON="$(PYTHON)" "$$(command -v "$(PYTHON)" || command -v python3)" tools/setup_env.py $*
