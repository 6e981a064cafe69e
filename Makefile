# DCA: `make help` lists the targets. Needs Python 3.11, g++ and make; no root.
SHELL := /bin/bash
PYTHON ?= python3.11
CORES ?= $(shell nproc)
# MPI=1: Horovod with MPI besides Gloo; what was built stays until the other is asked for (MPI=0).
MPI ?= $(if $(wildcard .venv/.horovod-mpi),1)
HOROVOD := .venv/.horovod$(if $(filter 1,$(MPI)),-mpi)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONNOUSERSITE := 1

# Without Horovod everything but multi-process training works: train in one process then.
SNAKEMAKE = snakemake -c$(CORES) --rerun-incomplete \
  $$(python -c 'import horovod' 2>/dev/null || echo '--config train={"mode":"single"}')
# `$(call step,what,command)` says what runs and how long it took.
step = @start=$$SECONDS; echo "== $(1)"; $(2) && echo "== $(1): $$((SECONDS - start)) s"

.DEFAULT_GOAL := help
.PHONY: help env envs dev horovod demo resume test lint types unit lock clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: env  ## Install what is missing, then run the whole pipeline on simulated data
	$(call step,demo,$(SNAKEMAKE) -- all)
	@echo "Open results/report/index.html"

resume:  ## Go on after an interruption: unlock, then finish what is missing
	@snakemake --unlock
	$(call step,resume,$(SNAKEMAKE) -- all)

env: $(HOROVOD)  ## Make .venv with everything locked, and Horovod (MPI=1: with MPI)

envs: env  ## The same, as docs/cluster.md calls it

dev: env .venv/.dev

test: dev lint types unit  ## Install what is missing, then lint, types and all tests

lint:  ## Style of Python and Snakemake files
	$(call step,ruff,ruff check -q . && ruff format -q --check .)
	$(call step,snakefmt,snakefmt --check Snakefile workflow/Snakefile rules)
	$(call step,snakemake --lint,snakemake --lint)

types:  ## Static types
	$(call step,mypy,mypy)

unit:  ## The tests alone, fastest first
	$(call step,pytest,python -m pytest -n $(CORES) --dist loadgroup --no-loadscope-reorder $(PYTEST))

horovod:  ## Try again to build Horovod (MPI=1: with MPI, MPI=0: without)
	@rm -f .venv/.horovod .venv/.horovod-mpi
	@$(MAKE) --no-print-directory $(HOROVOD) MPI=$(MPI)

lock:  ## Resolve envs/*.in anew (needs uv)
	cd envs && for name in requirements requirements-s3 requirements-dev; do \
	  uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    $$name.in -o $$name.txt || exit 1; done

clean:  ## Remove the environment and all results
	rm -rf .venv .snakemake results && git checkout -q -- results

.venv/.locked: envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 is needed (looked for $(PYTHON)); name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(call step,environment,$(PYTHON) -m venv .venv && python -m pip install -q --progress-bar=off --require-hashes -r $<)
	@python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: envs/requirements-dev.txt .venv/.locked
	$(call step,test tools,python -m pip install -q --require-hashes -r $<)
	@touch $@

# A failed build is said once and not tried at each call again: `make horovod` does.
.venv/.horovod .venv/.horovod-mpi: envs/horovod.txt envs/horovod.patch envs/build_horovod.sh .venv/.locked
	$(call step,Horovod,envs/build_horovod.sh $(BIN)/python $(if $(findstring mpi,$@),mpi,gloo)) || \
	  echo "Horovod is missing: training runs in one process. See: dca doctor" >&2
	@rm -f .venv/.horovod .venv/.horovod-mpi && touch $@
