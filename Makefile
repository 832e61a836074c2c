# Two commands for a fresh clone:
#   make demo   install into .venv, check the renderer, judge three defacings of a head that is nobody
#   make test   the same checks as continuous integration

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_OUT := out/demo

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests compare the paper's own package with ours; it needs an old NumPy and so an environment of its own.
export DEFACEQA_PAPER_ENV ?= build

.PHONY: help demo test lint graphics browser clean
.NOTPARALLEL:

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/installed graphics
	@$(BIN)/defaceqa doctor
	@$(BIN)/defaceqa demo --out $(DEMO_OUT)
	@echo "Look into $(CURDIR)/$(DEMO_OUT). To judge scans of your own: $(BIN)/defaceqa predict ORIGINAL DEFACED"

# A process for each core, and one thread in each: more threads than cores cost a fifth of the time.
test: lint graphics browser
	@OMP_NUM_THREADS=1 LP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

lint: $(VENV)/installed-dev
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/ruff check
	@$(BIN)/mypy

# Installing again takes place when pyproject.toml is newer than the stamp.
$(VENV)/installed: pyproject.toml | $(VENV)/created
	@echo "Installing DefaceQA into $(VENV) (some minutes the first time) ..."
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/created
	@echo "Installing DefaceQA with its tests into $(VENV) (some minutes the first time) ..."
	@$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/installed

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("DefaceQA needs Python 3.11 or later; found " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# VTK draws through system libraries that small Linux installations lack. Root gets them installed; others are told how.
graphics:
	@$(BIN)/python -P -m defaceqa.renderer > $(VENV)/renderer.json 2> $(VENV)/renderer.log && exit; \
	remedy=$$($(BIN)/python -c 'from defaceqa.renderer import remedy; print(remedy())'); \
	case "$$(id -u) $$remedy" in \
	"0 apt-get "*) echo "Installing what VTK draws with: $$remedy"; \
		log=$$(DEBIAN_FRONTEND=noninteractive sh -c "$$remedy" 2>&1) || { echo "$$log"; exit 1; } ;; \
	*" apt-get "*|*" dnf "*) echo "VTK lacks system libraries. Type: sudo sh -c '$$remedy'"; exit 1 ;; \
	*) echo "VTK lacks system libraries: $$remedy"; exit 1 ;; \
	esac

# The tests of the report pages look at them in Chromium. Root gets it installed; others are told how, and continuous
# integration (CI=true) fails without it.
browser:
	@test -n "$$DEFACEQA_CHROMIUM" || command -v chromium > /dev/null || command -v google-chrome > /dev/null && exit; \
	remedy="apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "Installing a browser to look at reports with: $$remedy"; \
		log=$$(DEBIAN_FRONTEND=noninteractive sh -c "$$remedy" 2>&1) || { echo "$$log"; exit 1; }; \
	else \
		echo "No Chromium: the tests of the report pages are skipped. Install it, or name it in DEFACEQA_CHROMIUM."; \
	fi

clean:
	rm -rf $(VENV) out .mypy_cache .pytest_cache .ruff_cache
