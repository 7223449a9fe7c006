# Accord's commands. A bare machine needs make, Python 3.11 and (for the tests) Chromium; the rest
# is installed into .venv. `make help` lists the targets.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
PIP := PYTHONUNBUFFERED=1 $(PY) -m pip --disable-pip-version-check
# Pip says much; a line for each 25 packages shows that it moves.
PROGRESS := awk '/^Collecting/ && !(++n % 25) { print "  " n " packages found ..."; fflush() } \
	/^Installing collected/ { print "  unpacking ..."; fflush() }'
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# requirements-gpu.txt on a machine with an NVIDIA GPU
REQUIREMENTS ?= requirements.txt
TORCH := torch==2.13.0+cpu
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# What a loop uses: a file of real preferences (HH-RLHF JSONL), how many of its rows at most, how
# many pairs vLLM writes, how many PPO updates.
DATA ?=
PREFERENCES ?=
PAIRS ?=
UPDATES ?=

.DEFAULT_GOAL := help
.PHONY: help run test check format messages loop screens bench model chromium clean
# Two targets at once would only fight over the machine.
.NOTPARALLEL:

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

run: .venv/product  ## install, start everything, print the address; Ctrl-C stops it
	@exec $(PY) -m config.run

test: .venv/developer chromium model  ## run all the tests, from nothing
	$(PY) -m pytest --durations=25 $(ARGS)

check: .venv/developer  ## formatting, lint, types, import rules, missing migrations
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

format: .venv/developer  ## format the code and mend what ruff can mend
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

messages: .venv/product  ## take new texts into the catalogs in locale/, say what is to translate
	$(PY) -m config.messages $(ARGS)

loop: .venv/product  ## one whole round on the running system (DATA=, PREFERENCES=, PAIRS=, UPDATES=)
	@exec $(PY) manage.py loop $(if $(DATA),--data $(DATA)) $(if $(PAIRS),--pairs $(PAIRS)) \
		$(if $(PREFERENCES),--preferences $(PREFERENCES)) $(if $(UPDATES),--updates $(UPDATES))

screens: .venv/developer chromium  ## take the screenshots in docs/screens/, of pages with invented data
	$(PY) docs/screens/take.py

bench: .venv/developer model  ## measure how fast labeling and training are here
	$(PY) -m bench

clean:  ## remove the installed packages and caches; var/, which holds the data, stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. Each file is empty and says that its step was done after its list last changed.

.venv/bin/python:
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 with venv is missing; install it, or name it: make PYTHON=/path/to/python3.11"; \
		exit 1; }
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv

# torch's CPU build comes first: PyPI's own torch is the CUDA build. Where pip already knows a CPU
# build (a mirror, a folder of wheels) it takes that one, else PyTorch's own index has it.
.venv/product: $(REQUIREMENTS) | .venv/bin/python
	@echo "Installing $(REQUIREMENTS) (4 GB; about 3 minutes) ..."
ifeq ($(REQUIREMENTS),requirements.txt)
	@$(PIP) --quiet install --no-deps "$(TORCH)" 2>/dev/null \
		|| $(PIP) install --no-deps --index-url $(TORCH_INDEX) "$(TORCH)"
	@echo "  torch is there; the rest follows ..."
endif
	@$(PIP) install --no-deps -r $(REQUIREMENTS) | $(PROGRESS)
	@touch $@

# pytest loads tests/services.py before it knows the folder, so Python is told the folder here.
.venv/developer: requirements-dev.txt requirements-deepspeed.txt .venv/product
	@echo "Installing requirements-dev.txt ..."
	@$(PIP) install --no-deps -r requirements-dev.txt | $(PROGRESS)
	@$(PY) -c "import sysconfig, pathlib as p; \
		p.Path(sysconfig.get_path('purelib'), 'accord.pth').write_text('$(CURDIR)\n')"
	@touch $@

model: .venv/product
	@$(PY) -m config.demo_model

chromium:
	@command -v chromium >/dev/null || sh deploy/install_chromium.sh
