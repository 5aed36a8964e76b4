.PHONY: help setup setup-dev demo test test-faults test-anemoi test-slurm test-all bench lint schema

help:  ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' '$(CURDIR)/Makefile' | while read -r name text; do \
	  printf '  make %-11s %s\n' "$$name" "$$text"; done

setup:  ## Get ready: system packages (as root), .venv, Nextflow
	@tools/setup.sh

setup-dev:
	@tools/setup.sh --dev

demo: setup  ## Run config/demo.yaml on this machine
	@export PATH="$$PWD/.tools/bin:$$PATH"; [ -t 1 ] || export NXF_ANSI_LOG=false; \
	nextflow run main.nf -profile local
	@echo
	@echo 'To run a config of your own:'
	@echo '  export PATH="$$PWD/.tools/bin:$$PATH"'
	@echo '  nextflow run . -profile local --config my.yaml'

test: setup-dev  ## Run the tests of every day: units, modules, a few launches (more for pytest: PYTEST_ARGS)
	@PYTEST_ARGS='$(PYTEST_ARGS)' .venv/bin/python3 tools/test.py test

test-faults: setup-dev  ## Test launches that are killed, that meet each other, full disks and damage
	@PYTEST_ARGS='$(PYTEST_ARGS)' .venv/bin/python3 tools/test.py faults

test-anemoi: setup-dev  ## Test the anemoi runner with a real environment (6 GB from PyPI)
	@PYTEST_ARGS='$(PYTEST_ARGS)' .venv/bin/python3 tools/test.py anemoi

test-slurm:  ## Run the tests that need a Slurm, on one of their own (as root; left out elsewhere)
	@tools/setup.sh --dev --slurm
	@PYTEST_ARGS='$(PYTEST_ARGS)' .venv/bin/python3 tools/test.py slurm

test-all:  ## Run all of these, with their total at the end
	@tools/setup.sh --dev --slurm
	@PYTEST_ARGS='$(PYTEST_ARGS)' .venv/bin/python3 tools/test.py test faults anemoi slurm

bench: setup-dev  ## Measure how long things take, and write bench.json (rows to measure: BENCH_ARGS)
	@.venv/bin/python3 tools/bench.py $(BENCH_ARGS)

lint: setup-dev  ## Check style, types, rooms, documents and Nextflow code
	@tools/lint.sh

schema: setup  ## Write config/config.schema.json, docs/config.md and the parameters in docs/usage.md
	@bin/schema.py
