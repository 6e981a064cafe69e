# Memory and time of a job: a floor plus a share of its input, more at each attempt, up to a cap.
# The input of a run's job is the image that came in: a group of jobs is submitted before the files
# between them exist. A gzipped 4-D image takes about six times its size as float32.
from dca.preprocess import template

CLUSTER = config["cluster"]
IMAGE_MB = {}  # of images that are there: every resource of every job of a run asks


def stored_mb(bold):
    """Size of an image, gzipped; 0 of the demo's before it is simulated."""
    if bold not in IMAGE_MB:
        if (stored := remote.state(bold)[0]) <= 0:
            return 0
        IMAGE_MB[bold] = stored / 1e6 / (1 if bold.suffix == ".gz" else 4)
    return IMAGE_MB[bold]


def image_mb(wildcards, input):
    """Size of what a job works on, gzipped: of its run's image, or else of its input files."""
    run = RUNS.get(wildcards.get("run_id"))
    if run is None:
        return input.size_mb
    size = stored_mb(run.bold)
    if NORMALISED:  # to a grid that may have many more voxels than the image
        voxels = template.voxels(PLAN.voxel_mm(config["preprocess"]))
        size = max(size, voxels * run.volumes * 4 / 6 / 1e6)
    return size


def mem_mb(floor, per_input_mb=0.0):
    """Megabytes as a function of the input's size and the attempt."""

    def needed(wildcards, input, attempt):
        share = per_input_mb * image_mb(wildcards, input) if per_input_mb else 0
        wanted = (floor + share) * (1 + (attempt - 1) / 2)
        return min(int(wanted), CLUSTER["max_mem_mb"])

    return needed


def runtime(floor, per_input_gb=0.0):
    """Minutes as a function of the input's size and the attempt."""

    def needed(wildcards, input, attempt):
        share = per_input_gb * image_mb(wildcards, input) / 1000 if per_input_gb else 0
        return min(int((floor + share) * attempt) + 1, CLUSTER["max_runtime_min"])

    return needed


def train_threads(wildcards):
    """All cores of this machine; of a cluster's node a few for each worker and one for each server."""
    if workflow.nodes is None and not workflow.remote_exec:
        return workflow.cores
    section = config["train"]
    return section["workers"] * CLUSTER["worker_cpus"] + section["servers"]
