#!/usr/bin/env bash
# Snakemake runs this in the new conda environment: the same as in the one without CUDA, which looks for it.
exec bash "$DCA_CLONE/envs/dca.post-deploy.sh"
