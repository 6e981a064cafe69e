# Backend `native`: slice timing, motion, mask, bias field, normalisation, grand-mean scaling, smoothing,
# high-pass (or confound regression), in this order.


if "slicetiming" in STEPS:

    rule correct_slice_timing:
        input:
            bold=bold_file,
        output:
            bold=temp(step_image("slicetiming")),
            record=temp(result("preprocess/{run_id}/slicetiming.step.json")),
        log:
            log_file("preprocess/{run_id}.slicetiming"),
        benchmark:
            benchmark_file("preprocess/{run_id}.slicetiming")
        group:
            "preprocess"
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(600, 12),
            runtime=runtime(5, 60),
        params:
            tr=run_record("tr"),
            times=slice_times,
        script:
            "../workflow/scripts/slice_timing.py"


rule correct_motion:
    input:
        bold=unaligned,
    output:
        bold=temp(step_image("motion")),
        parameters=result("preprocess/{run_id}/motion.tsv"),
        sidecar=result("preprocess/{run_id}/motion.json"),
        mean=epi_image("mean"),
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
        mean=epi_image("mean"),
    output:
        mask=epi_image("mask"),
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


if config["preprocess"]["bias_field"]:

    rule estimate_bias:
        input:
            mean=epi_image("mean"),
            mask=epi_image("mask"),
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
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1000),
            runtime=runtime(5),
        script:
            "../workflow/scripts/bias.py"


if NORMALISED:

    rule register:
        input:
            unpack(native_registration_input),
        output:
            matrix=result("preprocess/{run_id}/standard2epi.txt"),
            record=temp(result("preprocess/{run_id}/register.step.json")),
        log:
            log_file("preprocess/{run_id}.register"),
        benchmark:
            benchmark_file("preprocess/{run_id}.register")
        group:
            "preprocess"
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1000),
            runtime=runtime(5),
        script:
            "../workflow/scripts/register.py"

    rule resample:
        input:
            unpack(native_registration_input),
            **warp_input(),
            bold=unaligned,
            parameters=result("preprocess/{run_id}/motion.tsv"),
            matrix=result("preprocess/{run_id}/standard2epi.txt"),
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
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1500, 4),
            runtime=runtime(20, 120),
        params:
            voxel_mm=config["preprocess"]["template_mm"],
        script:
            "../workflow/scripts/resample.py"


if "warp" in RECORDS:

    rule warp:
        input:
            unpack(native_registration_input),
            matrix=result("preprocess/{run_id}/standard2epi.txt"),
        output:
            warp=result("preprocess/{run_id}/standard2epi.nii.gz"),
            record=temp(result("preprocess/{run_id}/warp.step.json")),
        log:
            log_file("preprocess/{run_id}.warp"),
        benchmark:
            benchmark_file("preprocess/{run_id}.warp")
        group:
            "preprocess"
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1500),
            runtime=runtime(15),
        script:
            "../workflow/scripts/warp.py"


rule scale:
    input:
        unpack(scale_input),
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
            bold=before("smooth"),
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
            bold=before("regress"),
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
