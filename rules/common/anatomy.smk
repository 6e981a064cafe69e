# T1w images of the runs, and the space that runs end in; whether the backend can do what is asked.
from snakemake.settings.types import DeploymentMethod

from dca.preprocess import anatomy, regress, slice_timing
from dca.train.shared import check_shared

NORMALISED = config["preprocess"]["registration"] != "none"
SLICE_TIMING = config["preprocess"]["slice_timing"]
T1W = {run.run_id: anatomy.find_t1w(run.bold) for run in runs} if BACKEND != "none" else {}
T1W_OF_SUBJECT = {run.subject: T1W.get(run.run_id) for run in runs}
ANATOMIES = {anatomy.anatomy_name(t1w): t1w for t1w in T1W.values() if t1w}

try:
    refuse_wildcards(*ANATOMIES.values())
    if workflow.is_main_process:
        regress.check_tissue(config["preprocess"]["regress"], T1W_OF_SUBJECT, named or "--config")
        PLAN.check(config["preprocess"], T1W_OF_SUBJECT, named or "--config")
        # With --sdm conda the programs come with the rules.
        if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
            PLAN.check_programs(config["preprocess"])
    if workflow.is_main_process and SLICE_TIMING:
        for run in runs:
            slice_timing.read_slice_times(run.bold, run.tr)
except DCAError as error:
    raise WorkflowError(str(error)) from None


def epi_image(name):
    """Mean, mask or another image on the grid of the EPI: the result itself, or what is normalised."""
    return result(f"preprocess/{{run_id}}/{'desc-epi_' if NORMALISED else ''}{name}.nii.gz")


def tissue_mask(name):
    """Where a run holds nothing but one tissue, on its final grid."""
    return result(f"preprocess/{{run_id}}/desc-{name}_mask.nii.gz")


def run_space(wildcards):
    """The space that the job's run is in when it is preprocessed, where it is known."""
    return space_of(RUNS[wildcards.run_id])


def space_of(run):
    """The space that a run is in when it is preprocessed, where it is known."""
    return PLAN.space if NORMALISED else run.space


# Only where runs lie on one another has one a target in the others.
if SHARED_TARGET and workflow.is_main_process:
    try:
        check_shared({run.run_id: space_of(run) for run in runs}, [run.run_id for run in runs if run.events])
    except DCAError as error:
        raise WorkflowError(str(error)) from None
