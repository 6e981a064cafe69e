# The chain of images of one run's preprocessing, as the settings make it.

REGRESS = config["preprocess"]["regress"]
STEPS = PLAN.steps(config["preprocess"])
RECORDS = PLAN.records(config["preprocess"])
ALIGNED = next(step for step in PLAN.aligned if step in STEPS)


def step_image(step):
    """The image that a step makes; the last step makes the preprocessed one."""
    name = "preproc" if step == STEPS[-1] else step
    return result(f"preprocess/{{run_id}}/desc-{name}_bold.nii.gz")


def passing(image):
    """Mark an image for removal once it was used, unless it is the preprocessed one."""
    return image if image == step_image(STEPS[-1]) else temp(image)


def before(step):
    """The image that a step starts from."""
    return step_image(STEPS[STEPS.index(step) - 1])


def bold_file(wildcards):
    """The image that came in."""
    return given_file(RUNS[wildcards.run_id].bold)


def unaligned(wildcards):
    """The image that motion is estimated from and taken out of."""
    first = STEPS[0]
    return step_image(first) if first in ("gradient", "slicetiming") else bold_file(wildcards)


def t1w_file(wildcards):
    """The T1w image of the run."""
    return given_file(T1W[wildcards.run_id])


def scale_input(wildcards):
    """The image to scale, its mask, and the bias field that is divided out on the way."""
    files = {"bold": before("scale"), "mask": result("preprocess/{run_id}/mask.nii.gz")}
    if config["preprocess"]["bias_field"]:
        files["bias"] = result("preprocess/{run_id}/bias.nii.gz")
    return files


def native_registration_input(wildcards):
    """The mean EPI as it is registered to the template: its brain, evenly bright."""
    files = {"mean": epi_image("mean"), "mask": epi_image("mask")}
    return files | ({"bias": epi_image("bias")} if config["preprocess"]["bias_field"] else {})


def warp_input():
    """The deformation that goes before the matrix, where there is one."""
    return {"warp": result("preprocess/{run_id}/standard2epi.nii.gz")} if "warp" in RECORDS else {}


def resample_output():
    """What is resampled: the run; in the space of the template its mask, mean and bias field too."""
    names = ["mask", "mean"] if NORMALISED else []
    files = {name: result(f"preprocess/{{run_id}}/{name}.nii.gz") for name in names}
    if NORMALISED and config["preprocess"]["bias_field"]:
        files["bias"] = temp(result("preprocess/{run_id}/bias.nii.gz"))
    return files


def slice_times(wildcards):
    """Times of the slices in seconds, and their axis."""
    run = RUNS[wildcards.run_id]
    return slice_timing.read_slice_times(run.bold, run.tr)


def confounds_input(wildcards):
    """The aligned, unfiltered image; motion and tissue where known; confounds that came along."""
    files = {"bold": step_image(ALIGNED)}
    if BACKEND != "none":
        files["parameters"] = result("preprocess/{run_id}/motion.tsv")
    elif RUNS[wildcards.run_id].confounds:
        files["given"] = given_file(RUNS[wildcards.run_id].confounds)
    if T1W.get(wildcards.run_id):
        files |= {name: tissue_mask(name) for name in ("csf", "white_matter")}
    return files


def record_files(wildcards):
    """What each step of the run says of itself."""
    steps = [*RECORDS, *(["tissue"] if T1W.get(wildcards.run_id) else []), "confounds"]
    return [result(f"preprocess/{{run_id}}/{step}.step.json") for step in steps]


def raw_mask_input(wildcards):
    """A mask for the raw run, where the preprocessed one lies on another grid."""
    return {"raw_mask": epi_image("mask")} if NORMALISED else {}


def given_mask_input(wildcards):
    """The image, and its mask where one came along."""
    run = RUNS[wildcards.run_id]
    return {"bold": given_file(run.bold)} | ({"given": given_file(run.mask)} if run.mask else {})
