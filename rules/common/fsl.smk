# Backend `fsl`: which files its steps pass on.

FSL = config["preprocess"]["fsl"]


def registration_input(wildcards):
    """The transforms that lead from a run to the template."""
    t1w = T1W[wildcards.run_id]
    if not t1w:
        return {"standard_matrix": result("preprocess/{run_id}/epi2standard.mat")}
    folder = f"preprocess/{anatomy.anatomy_name(t1w)}"
    files = {
        "standard_matrix": result(f"{folder}/t1w2standard.mat"),
        "anatomy_matrix": result("preprocess/{run_id}/epi2t1w.mat"),
        "t1w": given_file(t1w),
    }
    if config["preprocess"]["registration"] == "nonlinear":
        files["anatomy_warp"] = result(f"{folder}/t1w2standard.nii.gz")
    return files


def anatomy_input(wildcards):
    """A run's mean, and the T1w image that it is registered to."""
    t1w = T1W[wildcards.run_id]
    return {
        "mean": epi_image("mean"),
        "brain": result("preprocess/{run_id}/desc-brain_mean.nii.gz"),
        "t1w": given_file(t1w),
        "t1w_brain": result(f"preprocess/{anatomy.anatomy_name(t1w)}/brain.nii.gz"),
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
        if config["preprocess"]["bias_field"]:
            files["bias"] = epi_image("bias")
    return files
