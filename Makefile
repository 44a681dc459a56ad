# What a checkout needs, one word each. `make` alone lists them.
#
# Everything lands in .venv; nothing is installed outside it, except that `make test`, as root on Debian, fetches the
# programs in tests/apt-packages.txt that are missing.

PYTHON ?= python3
JOBS ?= 2
PEERS ?=
SOAK ?=
FUZZ_SECONDS ?= 60
READERS ?= http stream events 'thrift binary' 'thrift loose' 'thrift compact' 'thrift json'

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
COMPILED := $(VENV)/.compiled
APT_PACKAGES := tests/apt-packages.txt
APT_LOG := $(VENV)/apt.log
BESIDE_LOG := $(VENV)/beside.log
OLDEST_PYTHON := 3.11
OF_THE_TWINS := tests/hot tests/clients tests/metrics tests/worker tests/end_to_end/test_rates.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test check bench bench-peers soak fuzz programs readme constraints clean

help: ## list these targets
	@echo "make TARGET [PYTHON=python3.12] [JOBS=2] [PEERS='--rounds 1'], where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

venv: $(INSTALLED) $(COMPILED) ## make .venv with the package (editable) and all that tests, lint and benches need

$(INSTALLED): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
		echo "There is no $(PYTHON) here. hybridpress needs Python $(OLDEST_PYTHON) or newer: install it," >&2; \
		echo "or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(OLDEST_PYTHON)".split("."))))' || { \
		echo "$(PYTHON) is $$("$(PYTHON)" --version 2>&1), but hybridpress needs Python $(OLDEST_PYTHON) or newer:" >&2; \
		echo "install it, or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	@$(BIN)/python -m pip install --quiet --quiet --constraint constraints.txt --build-constraint constraints.txt \
		--editable . --group dev
	@touch $@ $(COMPILED)

# The hot path's C, made anew when it changed. Without a compiler nothing is made, and its twin in Python runs.
$(COMPILED): hybridpress/hot/compiled.pyx hybridpress/hot/thrift_compiled.pyx | $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --quiet --build-constraint constraints.txt --no-deps --editable .
	@touch $@

demo: venv ## start the built-in target, press it for some seconds, print the summary, write the report
	@$(BIN)/hybridpress demo

test: programs check ## lint, types, then the whole suite: most of it beside five minutes of soak and the twin in Python, then what judges time
	@status=0; \
	{ code=0; $(BIN)/python -m pytest -m soak || code=$$?; \
	HYBRIDPRESS_PURE=1 $(BIN)/python -m pytest -m "not alone and not soak" $(OF_THE_TWINS) || code=$$?; \
	exit $$code; } >$(BESIDE_LOG) 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not alone and not soak" --durations 10 || status=$$?; \
	wait $$beside || status=$$?; cat $(BESIDE_LOG); \
	$(BIN)/python -m pytest -m alone --durations 10 || { code=$$?; [ $$code -eq 5 ] || status=$$code; }; \
	exit $$status

check: venv ## ruff (rules and format) and mypy, strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: programs ## run every bench for real; some minutes
	@status=0; \
	for file in bench/test_*.py; do \
		[ -e "$$file" ] || continue; \
		echo "== $$file"; PYTHONPATH=. $(BIN)/python "$$file" || status=1; \
	done; \
	exit $$status

soak: programs ## an hour at 5,000 requests a second with errors and live changes; memory and lateness over time
	@PYTHONPATH=. $(BIN)/python bench/soak.py $(SOAK)

bench-peers: programs ## hybridpress beside wrk, k6, Locust and more, on one core each; half an hour
	@PYTHONPATH=. $(BIN)/python bench/peers.py $(PEERS)

# Never fatal: a test whose program is missing is skipped and says so.
programs: venv ## install the programs that tests start (as root on Debian), else say which are missing
	@PATH="$$PATH:/usr/sbin:/sbin"; programs=; packages=; failed=; \
	while read -r program package; do \
		case "$$program" in ''|'#'*) continue ;; esac; \
		command -v "$$program" >/dev/null 2>&1 || { programs="$$programs $$program"; packages="$$packages $$package"; }; \
	done < $(APT_PACKAGES); \
	[ -n "$$packages" ] || exit 0; \
	if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then \
		echo "Not installed:$$programs. Tests that need them are skipped. On Debian, as root: apt-get install$$packages"; \
		exit 0; \
	fi; \
	echo "Installing for the tests:$$packages"; \
	apt-get update -qq >$(APT_LOG) 2>&1; \
	for package in $$packages; do \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$package" \
			>>$(APT_LOG) 2>&1 </dev/null || failed="$$failed $$package"; \
	done; \
	[ -z "$$failed" ] || echo "Could not install:$$failed (see $(APT_LOG)). Tests that need them are skipped."

fuzz: venv ## feed the readers of replies with made-up bytes, for FUZZ_SECONDS each; needs Atheris, which it installs
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	@for reader in $(READERS); do \
		echo "== $$reader, $(FUZZ_SECONDS) s"; $(BIN)/python -m tests.hostile.fuzz "$$reader" $(FUZZ_SECONDS) || exit 1; \
	done

readme: venv ## write the table of options in README.md anew
	@$(BIN)/python -m tests.support.readme

constraints: ## choose the newest versions of all packages, and pin them in constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(OLDEST_PYTHON)")' || { \
		echo "Pins are chosen by the oldest Python there is support for: make constraints PYTHON=python$(OLDEST_PYTHON)" >&2; \
		exit 1; }
	@rm -rf .venv-constraints
	@"$(PYTHON)" -m venv .venv-constraints
	@.venv-constraints/bin/python -m pip install --quiet --upgrade pip
	@.venv-constraints/bin/python -m pip install --quiet --editable . --group dev setuptools Cython
	@{ grep '^#' constraints.txt; \
		.venv-constraints/bin/python -m pip freeze --all --exclude-editable; } >.venv-constraints/pins
	@cp .venv-constraints/pins constraints.txt
	@rm -rf .venv-constraints
	@echo "constraints.txt is new; try it with every Python there is support for, then commit it"

clean: ## remove .venv and everything else that can be made again
	@rm -rf .venv .venv-constraints .venv-peers dist build *.egg-info hybridpress/hot/*.c hybridpress/hot/*.so hybridpress-demo.html .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
