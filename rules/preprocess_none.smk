# Backend `none`: the images are preprocessed already; they are checked and linked, not changed.


rule link_preprocessed:
    input:
        bold=bold_file,
    output:
        bold=step_image("link"),
        mean=result("preprocess/{run_id}/mean.nii.gz"),
        record=temp(result("preprocess/{run_id}/link.step.json")),
    log:
        log_file("preprocess/{run_id}.link"),
    benchmark:
        benchmark_file("preprocess/{run_id}.link")
    group:
        "preprocess"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(600, 4),
        runtime=runtime(5, 20),
    script:
        "../workflow/scripts/link.py"


rule take_mask:
    input:
        unpack(given_mask_input),
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
        mem_mb=mem_mb(600, 4),
        runtime=runtime(5, 20),
    script:
        "../workflow/scripts/mask.py"
