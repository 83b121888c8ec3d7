# `make demo` and `make test` set up what they need on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The CPU build of PyTorch instead of gigabytes of CUDA, on a machine without a GPU:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP_EXTRA := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),)
# Tests over public data read this folder; without it they are skipped.
ifneq ($(wildcard ../shared/data),)
export FENCEPOST_DATA ?= $(abspath ../shared/data)
endif

.PHONY: help setup demo test bench-labels check format screenshots clean

help:  ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/ready  ## set up .venv with everything that tests and the demo need

$(VENV)/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_EXTRA) -c constraints.txt -e '.[dev,peers]'
	touch $@

demo: setup  ## run the main job on the shipped log (DATA=path: your own; ARGS=--keep: leave it running)
	$(BIN)/python -m service demo $(if $(DATA),--data '$(DATA)') $(ARGS)

# One process a core, so one thread each: arithmetic on more would make them wait for one another.
test: export OMP_NUM_THREADS := 1
test: setup  ## run all tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)
	$(BIN)/python -m tests.support.newest_python

SEEDS ?= 3
BENCH ?= bench-results
bench-labels: setup  ## measure the learning core on the public data in FENCEPOST_DATA (SEEDS=1: quick; BENCH=folder of the results)
	$(BIN)/python -m tests.bench table --seeds $(SEEDS) --folder '$(BENCH)'

check: setup  ## what CI checks besides the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshots: setup  ## take the README's pictures again (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

format: setup  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the virtual environments
	rm -rf .venv .venv-*
