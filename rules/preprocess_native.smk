# Backend `native`: motion, mask, grand-mean scaling, smoothing, high-pass (or confound
# regression), in this order.


rule correct_motion:
    input:
        bold=bold_file,
    output:
        bold=temp(step_image("motion")),
        parameters=result("preprocess/{run_id}/motion.tsv"),
        sidecar=result("preprocess/{run_id}/motion.json"),
        mean=result("preprocess/{run_id}/mean.nii.gz"),
        record=temp(result("preprocess/{run_id}/motion.step.json")),
    log:
        log_file("preprocess/{run_id}.motion"),
    benchmark:
        benchmark_file("preprocess/{run_id}.motion")
    group:
        "preprocess"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000, 8),
        runtime=runtime(10, 120),
    script:
        "../workflow/scripts/motion.py"


rule mask_brain:
    input:
        mean=result("preprocess/{run_id}/mean.nii.gz"),
    output:
        mask=result("preprocess/{run_id}/mask.nii.gz"),
        record=temp(result("preprocess/{run_id}/mask.step.json")),
    log:
        log_file("preprocess/{run_id}.mask"),
    benchmark:
        benchmark_file("preprocess/{run_id}.mask")
    group:
        "preprocess"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(600),
        runtime=runtime(5),
    script:
        "../workflow/scripts/mask.py"


rule scale:
    input:
        bold=step_image("motion"),
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
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(600, 4),
        runtime=runtime(5, 20),
    script:
        "../workflow/scripts/scale.py"


if "smooth" in STEPS:

    rule smooth:
        input:
            bold=step_image("scale"),
        output:
            bold=passing(step_image("smooth")),
            record=temp(result("preprocess/{run_id}/smooth.step.json")),
        log:
            log_file("preprocess/{run_id}.smooth"),
        benchmark:
            benchmark_file("preprocess/{run_id}.smooth")
        group:
            "preprocess"
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 4),
            runtime=runtime(5, 20),
        params:
            fwhm_mm=config["preprocess"]["smooth_mm"],
        script:
            "../workflow/scripts/smooth.py"


if "highpass" in STEPS:

    rule highpass:
        input:
            bold=step_image(STEPS[STEPS.index("highpass") - 1]),
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
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 12),
            runtime=runtime(5, 20),
        params:
            tr=run_record("tr"),
            highpass_s=config["preprocess"]["highpass_s"],
        script:
            "../workflow/scripts/highpass.py"


if "regress" in STEPS:

    rule regress:
        input:
            bold=step_image(STEPS[STEPS.index("regress") - 1]),
            confounds=result("preprocess/{run_id}/confounds.tsv"),
        output:
            bold=step_image("regress"),
            record=temp(result("preprocess/{run_id}/regress.step.json")),
        log:
            log_file("preprocess/{run_id}.regress"),
        benchmark:
            benchmark_file("preprocess/{run_id}.regress")
        group:
            "preprocess"
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 12),
            runtime=runtime(5, 30),
        params:
            regress=REGRESS,
            tr=run_record("tr"),
            highpass_s=config["preprocess"]["highpass_s"],
        script:
            "../workflow/scripts/regress.py"
