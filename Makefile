.PHONY: help setup setup-dev demo test test-anemoi test-slurm lint schema

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

test: setup-dev  ## Run all tests (more arguments for pytest: PYTEST_ARGS)
	@PYTEST_ARGS='$(PYTEST_ARGS)' tools/test.sh

test-anemoi: setup-dev  ## Test the anemoi runner with a real environment (6 GB from PyPI, minutes)
	@PYTEST_ARGS='$(PYTEST_ARGS)' tools/test.sh tests/anemoi

test-slurm:  ## Run the tests that need a Slurm, on one of their own (as root; left out elsewhere)
	@tools/setup.sh --dev --slurm
	@PYTEST_ARGS='$(PYTEST_ARGS)' tools/test.sh tests/slurm

lint: setup-dev  ## Check the style of the code
	@tools/lint.sh

schema: setup  ## Write config/config.schema.json, docs/config.md and the parameters in docs/usage.md
	@bin/schema.py
