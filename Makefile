# SPDX-License-Identifier: Apache-2.0
# Every target sets up what it needs. Plain `make` lists the targets.

PYTHON   ?= python3
PIP_ARGS ?=
ROS_SETUP ?=
ROS_VENV ?=
ARGS     ?=
JOBS     ?= 2
CELLS    ?=
LOCKED   ?=
MFNET    ?=
NYU      ?=
N        ?= 1000

VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip install --quiet --disable-pip-version-check
READY := $(VENV)/.segrgbx-ready
DRIVE := out/drive
DEMO  := out/demo
RESULTS := out/results
DRIVE_DONE := out/.drive-complete
DEMO_DONE  := out/.demo-complete

# With ROS sourced PYTHONPATH names packages of another interpreter; .venv must not see them.
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-all coverage lint fuzz test-ros test-matrix mutants results clean

help:
	@echo "make demo      make a drive of synthetic scenes, segment it, leave a report in $(DEMO)"
	@echo "make test      the tests, without the slow ones"
	@echo "make test-all  the tests, the slow ones too"
	@echo "make coverage  the tests as make test, with the lines and branches they reach"
	@echo "make lint      ruff and mypy"
	@echo "make fuzz      damaged input on every surface, N=1000 inputs each"
	@echo "make test-ros  colcon build and colcon test in build/ros, where ROS 2 is installed"
	@echo "make test-matrix  the tests with each Python and the oldest and newest packages: hours,"
	@echo "               and 12 GB of disk for one cell at a time; the table is in build/matrix"
	@echo "make mutants   changes signs, borders and names, and says what no test notices: hours"
	@echo "make results   train and score what docs/results.md reports, in $(RESULTS): hours, resumable"
	@echo "make setup     only what the targets above do first: $(VENV) with everything in it"
	@echo "make lock      resolve requirements.lock again: every package with its hashes"
	@echo "make clean     remove build/, caches and the demo's results; $(VENV) stays"
	@echo
	@echo "PYTHON=python3.12         the interpreter $(VENV) is made from (3.10 to 3.12)"
	@echo "PIP_ARGS='...'            goes to pip; for a smaller install without CUDA:"
	@echo "                          --extra-index-url https://download.pytorch.org/whl/cpu"
	@echo "JOBS=2                    tests that run at a time; each takes a core and 1 to 2 GB"
	@echo "LOCKED=1                  setup installs exactly requirements.lock, checked by its hashes"
	@echo "ARGS='-k pairing'         goes to pytest; of test-ros, to colcon test:"
	@echo "                          ARGS='--ctest-args -R test_launch'; of mutants:"
	@echo "                          ARGS='segrgbx_core.encoding.* --sample 200 --seed 1 --show'"
	@echo "CELLS='3.10-lowest'       only these cells of test-matrix"
	@echo "MFNET=/path, NYU=/path    the real pairs, MFNet and NYUDepthV2, for those parts of results;"
	@echo "                          ARGS='--list' shows what is done and what is left"
	@echo "ROS_SETUP=/path/setup.bash, ROS_VENV=/path    the ROS 2 that test-ros takes, and a"
	@echo "                          virtual environment that this ROS 2 needs"

setup: $(READY)

# uv resolves for all Python versions and platforms at once, which pip cannot; it is not kept.
lock:
	@"$(PYTHON)" -m venv build/uv && build/uv/bin/pip install --quiet 'uv>=0.9,<1'
	build/uv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 \
	  --generate-hashes --quiet --upgrade --no-header --no-annotate -o requirements.lock

$(READY): pyproject.toml setup.py requirements.txt package.xml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "$(PYTHON) was not found; install Python 3.10 to 3.12 (apt install python3 python3-venv)" \
	       "or name one: make PYTHON=/path/to/python3."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || { \
	  echo "$(PYTHON) is $$("$(PYTHON)" --version 2>&1), but Python 3.10 to 3.12 is needed; name one:" \
	       "make PYTHON=python3.12."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments here; install the missing part:" \
	       "apt install python3-venv"; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || { \
	  echo "Making $(VENV) with $$("$(PYTHON)" --version)."; "$(PYTHON)" -m venv --clear $(VENV); }
	@echo "Installing the package and what it needs into $(VENV)."
	@echo "The first time this takes some minutes: PyTorch alone is several GB on Linux."
	@if [ -n "$(LOCKED)" ]; then \
	  $(PIP) --require-hashes --only-binary :all: $(PIP_ARGS) -r requirements.lock && \
	  $(PIP) --no-deps --no-build-isolation -e . ; \
	else \
	  $(PIP) $(PIP_ARGS) -e '.[dev]'; \
	fi
	@mkdir -p out && touch $(VENV)/COLCON_IGNORE out/COLCON_IGNORE $@
	@echo "Ready: $$($(BIN)/python --version) in $(VENV)."

demo: $(READY)
	@[ -f $(DRIVE)/metadata.yaml ] || rm -f $(DRIVE_DONE)
	@[ -f $(DEMO)/report.html ] || rm -f $(DEMO_DONE)
	@if $(MAKE) --question $(DEMO_DONE); then \
	  echo "$(DRIVE) and $(DEMO) are there and complete: nothing is made again."; \
	  $(BIN)/segrgbx summary $(DEMO); \
	else \
	  $(MAKE) --no-print-directory $(DEMO_DONE); \
	fi

# The marks are written last: without one, what an interrupted call left is made again.
$(DRIVE_DONE): $(wildcard segrgbx_core/scenes/*.py segrgbx_core/scenes/*/*.py) | $(READY)
	@echo "Making five seconds of synthetic RGB-thermal scenes as a ROS 2 bag in $(DRIVE)."
	@$(BIN)/segrgbx scenes $(DRIVE) --modality thermal --seconds 5 --rate 10 --size 640x480 \
	  --seed 7 --format bag --force
	@touch $@

$(DEMO_DONE): $(DRIVE_DONE) $(wildcard models/demo/*) | $(READY)
	@echo "Segmenting the bag with models/demo into $(DEMO)."
	@$(BIN)/segrgbx replay $(DRIVE) --modality thermal --slop 0.05 --out $(DEMO) --force
	@touch $@

# A file's tests stay together, because they share rendered scenes and models. One thread each:
# several would only wait for one another.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test: $(READY)
	$(PARALLEL) $(if $(COVERAGE),--cov --cov-report=) $(ARGS)
ifdef COVERAGE
	$(BIN)/coverage report --include='segrgbx_core/*' --fail-under=90 --skip-covered --sort=cover
	$(BIN)/coverage report --include='segrgbx_ros/*' --omit='segrgbx_ros/node/*' --fail-under=90 --skip-covered --sort=cover
endif

test-all: $(READY)
	$(PARALLEL) --run-slow $(ARGS)

coverage:
	@$(MAKE) --no-print-directory test COVERAGE=1

test-matrix:
	@CELLS="$(CELLS)" JOBS="$(JOBS)" ARGS="$(ARGS)" PYTHON="$(PYTHON)" .ci/test-matrix

mutants: $(READY)
	@OMP_NUM_THREADS=1 nice -n 5 $(BIN)/python .ci/mutants $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(READY)
	$(BIN)/python -m fuzz --inputs $(N) $(ARGS)

test-ros:
	@ROS_SETUP="$(ROS_SETUP)" ROS_VENV="$(ROS_VENV)" PIP_ARGS="$(PIP_ARGS)" \
	  COLCON_TEST_ARGS="$(ARGS)" .ci/test-ros

results: $(READY)
	@$(BIN)/python -m experiments --out $(RESULTS) \
	  $(if $(MFNET),--data "mfnet=$(MFNET)") $(if $(NYU),--data "nyu_depth_v2=$(NYU)") $(ARGS)

clean:
	rm -rf build $(DRIVE) $(DEMO) $(DRIVE_DONE) $(DEMO_DONE) *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* mutants
