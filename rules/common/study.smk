# The settings and the runs of this study, read once.
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

from snakemake.io import contains_wildcard

from dca import config as settings
from dca import inputs
from dca.cluster import failures
from dca.decompose.settings import setups as decompose_setups
from dca.errors import DCAError, InputError
from dca.model.card import read_card
from dca.model.study import check_runs, check_trained
from dca.preprocess import backends
from dca.provenance import record_command
from dca.simulate import layout
from dca.train.checkpoint import Checkpoints


def refuse_wildcards(*paths):
    """Snakemake takes a word in braces for a wildcard and would look for other files."""
    for path in filter(contains_wildcard, paths):
        raise InputError(
            path,
            "has a word in braces, which Snakemake takes for a wildcard",
            "rename the file or folder",
        )


# Snakemake skips the default file in silence when --configfile is given: defaults are added here.
try:
    named = ", ".join(str(path) for path in workflow.configfiles)
    config = settings.resolve(config, named or "--config")
    RESULTS = os.path.normpath(config["results"])
    refuse_wildcards(Path.cwd() / RESULTS)
    # Only the main process looks at the inputs; its jobs read what it found.
    if workflow.is_main_process:
        runs = inputs.refresh(config, Path.cwd(), Path(RESULTS))
    else:
        runs = inputs.read_runs(Path(RESULTS, "inputs.tsv"))
    FROZEN = inputs.frozen_card(config, RESULTS)
    # What the model of this study was trained towards.
    GIVEN = read_card(config["encode"]["model"]) if config["encode"]["model"] else FROZEN
    MODEL_TARGET = GIVEN.get("target", "own") if GIVEN else config["train"]["target"]
    for run in runs:
        refuse_wildcards(*filter(None, [run.bold, run.mask, run.events_file, run.confounds]))
    source = config["input"]["derivatives"] or config["input"]["path"] or "the demo"
    if config["encode"]["model"]:
        check_trained(config["encode"]["model"], runs, config["signals"]["length"] == "crop")
        runs = [replace(run, split="validation") for run in runs]
    else:
        check_runs(config["model"], runs, source)
    SETUPS = decompose_setups(config["decompose"])
    EVENT_SETS = inputs.event_sets(runs, config["glm"]["contrasts"], named or "--config")
except DCAError as error:
    raise WorkflowError(str(error)) from None

# Whether there is a training, and a series is to become what other subjects have at its voxel.
SHARED_TARGET = MODEL_TARGET == "others" and not GIVEN

# For envs/*.post-deploy.sh.
os.environ.update(DCA_CLONE=str(settings.ROOT))

RUNS = {run.run_id: run for run in runs}
SUBJECTS = sorted({run.subject for run in runs})
GROUP_SETUPS = [setup for setup in SETUPS if setup.endswith("-group")]
# What the report tells of: neither how large a job of a cluster may be nor what else is made of the pages.
REPORTED = {key: value for key, value in config.items() if key != "cluster"}
REPORTED["report"] = {key: value for key, value in config["report"].items() if key != "bundle"}
DEMO = Path.cwd() / RESULTS / "demo"
WRITTEN = Path.cwd() / RESULTS / "inputs"  # what is made of the inputs; absolute, as in the run table
BACKEND = config["preprocess"]["backend"]
PLAN = backends.load(BACKEND)
EXCLUDE = config["preprocess"]["exclude_over_limits"]
PREPROCESSING = backends.recorded(config["preprocess"])
CROP = config["signals"]["length"] == "crop"
