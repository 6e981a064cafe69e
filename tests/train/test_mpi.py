"""A Horovod that was built with MPI (`make horovod MPI=1`): its own worlds, and trainings with it."""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.horovod, pytest.mark.mpi, pytest.mark.openmpi, pytest.mark.timeout(300)]

SUM = """
import horovod.tensorflow as hvd, tensorflow as tf
hvd.init()
assert hvd.mpi_built() and hvd.mpi_enabled() and hvd.gloo_built()
print("sum", float(hvd.allreduce(tf.constant(hvd.rank() + 1.0), op=hvd.Sum)), "of", hvd.size())
"""


@pytest.mark.xdist_group("processes")
def test_a_world_of_mpi_adds_up():
    command = ["mpirun", "-np", "2", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("SLURM_")}
    environment |= {
        "HOROVOD_CONTROLLER": "mpi",
        "HOROVOD_CPU_OPERATIONS": "mpi",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    done = subprocess.run(
        [*command, sys.executable, "-c", SUM], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.stdout.count("sum 3.0 of 2") == 2, done.stderr[-2000:]


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("launcher", ["local", "mpirun"])
def test_downpour_trains_with_it(make_job, start, check_complete, launcher):
    job = make_job(epochs=3, launcher=launcher)
    running = start(job)
    check_complete(job, running.outcome())
