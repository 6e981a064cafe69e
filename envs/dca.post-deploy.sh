#!/usr/bin/env bash
# Snakemake runs this in the new conda environment: DCA itself, from the clone that the workflow is in
# (rules/common/study.smk says which), and Horovod with MPI, for a TensorFlow with CUDA with NCCL too.
set -euo pipefail
python=$CONDA_PREFIX/bin/python
"$python" -m pip install -q --no-deps --no-build-isolation -e "$DCA_CLONE"
if "$python" -c 'import sys, tensorflow; sys.exit(not tensorflow.test.is_built_with_cuda())' 2>/dev/null; then
  export HOROVOD_GPU_OPERATIONS=NCCL HOROVOD_CUDA_HOME=$CONDA_PREFIX HOROVOD_NCCL_HOME=$CONDA_PREFIX
fi
"$DCA_CLONE/envs/build_horovod.sh" "$python" mpi
