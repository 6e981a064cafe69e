#!/usr/bin/env bash
# Snakemake runs this in the new conda environment: DCA itself, from the clone that the workflow is in.
set -euo pipefail
"$CONDA_PREFIX/bin/python" -m pip install -q --no-deps --no-build-isolation -e "$DCA_CLONE"
