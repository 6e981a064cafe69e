# Backend `fsl`: which files its steps pass on, and whether all that they need is there.
from snakemake.settings.types import DeploymentMethod

from dca.preprocess.fsl import install, plan

FSL = config["preprocess"]["fsl"]
NORMALISED = BACKEND == "fsl" and plan.normalised(config["preprocess"])
T1W = {run.run_id: plan.find_t1w(run.bold) for run in runs} if NORMALISED else {}
ANATOMIES = {plan.anatomy_name(t1w): t1w for t1w in T1W.values() if t1w}

try:
    refuse_wildcards(*ANATOMIES.values())
    if workflow.is_main_process and BACKEND == "fsl":
        plan.check_plan(config["preprocess"], runs, named or "--config")
        # With --sdm conda the programs come with the rules.
        if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
            install.check(config["preprocess"])
except DCAError as error:
    raise WorkflowError(str(error)) from None


def epi_image(name):
    """Mean, mask or another image on the grid of the EPI: the result itself, or what is normalised."""
    return result(f"preprocess/{{run_id}}/{'desc-epi_' if NORMALISED else ''}{name}.nii.gz")


def before(step):
    """The image that a step starts from."""
    return step_image(STEPS[STEPS.index(step) - 1])


def motion_input(wildcards):
    """The run as it came, or without the gradients' distortion."""
    return step_image("gradient") if "gradient" in STEPS else bold_file(wildcards)


def registration_input(wildcards):
    """The transforms that lead from a run to the template."""
    t1w = T1W[wildcards.run_id]
    if not t1w:
        return {"standard_matrix": result("preprocess/{run_id}/epi2standard.mat")}
    folder = f"preprocess/{plan.anatomy_name(t1w)}"
    files = {
        "standard_matrix": result(f"{folder}/t1w2standard.mat"),
        "anatomy_matrix": result("preprocess/{run_id}/epi2t1w.mat"),
        "t1w": str(t1w),
    }
    if FSL["registration"] == "nonlinear":
        files["anatomy_warp"] = result(f"{folder}/t1w2standard.nii.gz")
    return files


def anatomy_input(wildcards):
    """A run's mean, and the T1w image that it is registered to."""
    t1w = T1W[wildcards.run_id]
    return {
        "mean": epi_image("mean"),
        "brain": result("preprocess/{run_id}/desc-brain_mean.nii.gz"),
        "t1w": str(t1w),
        "t1w_brain": result(f"preprocess/{plan.anatomy_name(t1w)}/brain.nii.gz"),
    }


def resample_input(wildcards):
    """The raw run, and every transform and image that goes with it."""
    files = {
        "bold": bold_file(wildcards),
        "matrices": result("preprocess/{run_id}/motion_xfm.tsv"),
        "mean": epi_image("mean"),
    }
    if "gradient" in STEPS:
        files["gradient_warp"] = result("preprocess/{run_id}/desc-gradient_warp.nii.gz")
    if NORMALISED:
        files["standard_warp"] = result("preprocess/{run_id}/epi2standard.nii.gz")
        files["mask"] = epi_image("mask")
        if FSL["bias_field"]:
            files["bias"] = epi_image("bias")
    return files


def resample_output():
    """What is resampled: the run; in the space of the template its mask, mean and bias field too."""
    names = ["mask", "mean"] if NORMALISED else []
    files = {name: result(f"preprocess/{{run_id}}/{name}.nii.gz") for name in names}
    if NORMALISED and FSL["bias_field"]:
        files["bias"] = temp(result("preprocess/{run_id}/bias.nii.gz"))
    return files
