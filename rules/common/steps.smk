# The chain of images of one run's preprocessing, as the settings make it.

# Confound regression takes out the drift too, and then stands in place of the filter.
REGRESS = config["preprocess"]["regress"]

if BACKEND == "native":
    STEPS = ["motion", "scale"]
    STEPS += ["smooth"] if config["preprocess"]["smooth_mm"] else []
    if REGRESS != "none":
        STEPS += ["regress"]
    elif config["preprocess"]["highpass_s"]:
        STEPS += ["highpass"]
    ALIGNED = "motion"
    RECORDS = [*STEPS, "mask"]
elif BACKEND == "fsl":
    STEPS = plan.steps(config["preprocess"])
    ALIGNED = next(step for step in ("resample", "motion", "feat") if step in STEPS)
    RECORDS = plan.records(config["preprocess"])
else:
    STEPS = ["link"]
    ALIGNED = "link"
    RECORDS = [*STEPS, "mask"]


def step_image(step):
    """The image that a step makes; the last step makes the preprocessed one."""
    name = "preproc" if step == STEPS[-1] else step
    return result(f"preprocess/{{run_id}}/desc-{name}_bold.nii.gz")


def passing(image):
    """Mark an image for removal once it was used, unless it is the preprocessed one."""
    return image if image == step_image(STEPS[-1]) else temp(image)


def bold_file(wildcards):
    """The image that came in."""
    return str(RUNS[wildcards.run_id].bold)


def confounds_input(wildcards):
    """The aligned, unfiltered image; motion where it was estimated here, confounds that came along."""
    files = {"bold": step_image(ALIGNED)}
    if BACKEND != "none":
        files["parameters"] = result("preprocess/{run_id}/motion.tsv")
    elif RUNS[wildcards.run_id].confounds:
        files["given"] = str(RUNS[wildcards.run_id].confounds)
    return files


def raw_mask_input(wildcards):
    """A mask for the raw run, where the preprocessed one lies on another grid."""
    return {"raw_mask": epi_image("mask")} if NORMALISED else {}


def run_space(wildcards):
    """The space that a preprocessed run is in, where it is known."""
    return install.SPACE if NORMALISED else RUNS[wildcards.run_id].space


def given_mask_input(wildcards):
    """The image, and its mask where one came along."""
    run = RUNS[wildcards.run_id]
    return {"bold": str(run.bold)} | ({"given": str(run.mask)} if run.mask else {})
