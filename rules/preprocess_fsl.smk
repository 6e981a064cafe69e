# Backend `fsl`: one rule per program, in FEAT's order; or FEAT itself.


include: "common/fsl.smk"


if "feat" in STEPS:

    rule run_feat:
        input:
            bold=bold_file,
        output:
            bold=step_image("feat"),
            mask=result("preprocess/{run_id}/mask.nii.gz"),
            mean=result("preprocess/{run_id}/mean.nii.gz"),
            parameters=result("preprocess/{run_id}/motion.tsv"),
            sidecar=result("preprocess/{run_id}/motion.json"),
            matrices=result("preprocess/{run_id}/motion_xfm.tsv"),
            matrices_sidecar=result("preprocess/{run_id}/motion_xfm.json"),
            design=result("preprocess/{run_id}/feat.fsf"),
            record=temp(result("preprocess/{run_id}/feat.step.json")),
            mask_record=temp(result("preprocess/{run_id}/mask.step.json")),
        log:
            log_file("preprocess/{run_id}.feat"),
        benchmark:
            benchmark_file("preprocess/{run_id}.feat")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1000, 30),
            runtime=runtime(20, 300),
        params:
            tr=run_record("tr"),
            highpass_s=config["preprocess"]["highpass_s"],
            smooth_mm=config["preprocess"]["smooth_mm"],
        script:
            "../workflow/scripts/fsl_feat.py"


if "gradient" in STEPS:

    rule unwarp_gradients:
        input:
            bold=bold_file,
            coefficients=FSL["gradient_coefficients"],
        output:
            bold=temp(step_image("gradient")),
            warp=temp(result("preprocess/{run_id}/desc-gradient_warp.nii.gz")),
            record=temp(result("preprocess/{run_id}/gradient.step.json")),
        log:
            log_file("preprocess/{run_id}.gradient"),
        benchmark:
            benchmark_file("preprocess/{run_id}.gradient")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1000, 18),
            runtime=runtime(15, 120),
        params:
            vendor=FSL["gradient_vendor"],
        script:
            "../workflow/scripts/fsl_gradient.py"


if "motion" in STEPS:

    rule correct_motion:
        input:
            bold=unaligned,
        output:
            bold=temp(step_image("motion")),
            parameters=result("preprocess/{run_id}/motion.tsv"),
            sidecar=result("preprocess/{run_id}/motion.json"),
            matrices=result("preprocess/{run_id}/motion_xfm.tsv"),
            matrices_sidecar=result("preprocess/{run_id}/motion_xfm.json"),
            mean=epi_image("mean"),
            record=temp(result("preprocess/{run_id}/motion.step.json")),
        log:
            log_file("preprocess/{run_id}.motion"),
        benchmark:
            benchmark_file("preprocess/{run_id}.motion")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1000, 24),
            runtime=runtime(15, 240),
        script:
            "../workflow/scripts/fsl_motion.py"

    rule mask_brain:
        input:
            mean=epi_image("mean"),
        output:
            mask=epi_image("mask"),
            brain=temp(result("preprocess/{run_id}/desc-brain_mean.nii.gz")),
            record=temp(result("preprocess/{run_id}/mask.step.json")),
        log:
            log_file("preprocess/{run_id}.mask"),
        benchmark:
            benchmark_file("preprocess/{run_id}.mask")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(800),
            runtime=runtime(5),
        script:
            "../workflow/scripts/fsl_mask.py"


if "unbias" in STEPS:

    rule estimate_bias:
        input:
            brain=result("preprocess/{run_id}/desc-brain_mean.nii.gz"),
        output:
            bias=temp(epi_image("bias")),
            record=temp(result("preprocess/{run_id}/bias.step.json")),
        log:
            log_file("preprocess/{run_id}.bias"),
        benchmark:
            benchmark_file("preprocess/{run_id}.bias")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1500),
            runtime=runtime(15),
        script:
            "../workflow/scripts/fsl_bias.py"

    rule correct_bias:
        input:
            bold=before("unbias"),
            bias=result("preprocess/{run_id}/bias.nii.gz"),
        output:
            bold=temp(step_image("unbias")),
            record=temp(result("preprocess/{run_id}/unbias.step.json")),
        log:
            log_file("preprocess/{run_id}.unbias"),
        benchmark:
            benchmark_file("preprocess/{run_id}.unbias")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 12),
            runtime=runtime(5, 20),
        script:
            "../workflow/scripts/fsl_unbias.py"


if NORMALISED:

    include: "register_fsl.smk"


if "resample" in STEPS:

    rule resample:
        input:
            unpack(resample_input),
        output:
            **resample_output(),
            bold=temp(step_image("resample")),
            record=temp(result("preprocess/{run_id}/resample.step.json")),
        log:
            log_file("preprocess/{run_id}.resample"),
        benchmark:
            benchmark_file("preprocess/{run_id}.resample")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(2000, 60),
            runtime=runtime(60, 600),
        script:
            "../workflow/scripts/fsl_resample.py"


if "smooth" in STEPS:

    rule smooth:
        input:
            bold=before("smooth"),
            mask=result("preprocess/{run_id}/mask.nii.gz"),
        output:
            bold=temp(step_image("smooth")),
            record=temp(result("preprocess/{run_id}/smooth.step.json")),
        log:
            log_file("preprocess/{run_id}.smooth"),
        benchmark:
            benchmark_file("preprocess/{run_id}.smooth")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 18),
            runtime=runtime(10, 60),
        params:
            fwhm_mm=config["preprocess"]["smooth_mm"],
        script:
            "../workflow/scripts/fsl_smooth.py"


if "scale" in STEPS:

    rule scale:
        input:
            bold=before("scale"),
            mask=result("preprocess/{run_id}/mask.nii.gz"),
        output:
            bold=passing(step_image("scale")),
            record=temp(result("preprocess/{run_id}/scale.step.json")),
        log:
            log_file("preprocess/{run_id}.scale"),
        benchmark:
            benchmark_file("preprocess/{run_id}.scale")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 12),
            runtime=runtime(5, 20),
        script:
            "../workflow/scripts/fsl_scale.py"


if "highpass" in STEPS:

    rule highpass:
        input:
            bold=before("highpass"),
        output:
            bold=step_image("highpass"),
            record=temp(result("preprocess/{run_id}/highpass.step.json")),
        log:
            log_file("preprocess/{run_id}.highpass"),
        benchmark:
            benchmark_file("preprocess/{run_id}.highpass")
        group:
            "preprocess"
        conda:
            "../envs/fsl.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 18),
            runtime=runtime(5, 20),
        params:
            tr=run_record("tr"),
            highpass_s=config["preprocess"]["highpass_s"],
        script:
            "../workflow/scripts/fsl_highpass.py"
