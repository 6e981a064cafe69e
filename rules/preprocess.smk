# From the scanner's images to runs that are ready for analysis. The backend makes the image, the mask
# and the mean; what follows is the same for all.


include: f"preprocess_{BACKEND}.smk"


rule write_confounds:
    input:
        unpack(confounds_input),
        mask=result("preprocess/{run_id}/mask.nii.gz"),
    output:
        table=result("preprocess/{run_id}/confounds.tsv"),
        record=temp(result("preprocess/{run_id}/confounds.step.json")),
    log:
        log_file("preprocess/{run_id}.confounds"),
    benchmark:
        benchmark_file("preprocess/{run_id}.confounds")
    group:
        "preprocess"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(600, 8),
        runtime=runtime(5, 20),
    params:
        censor_fd_mm=config["preprocess"]["censor_fd_mm"],
    script:
        "../workflow/scripts/confounds.py"


rule summarise_preprocessing:
    input:
        unpack(raw_mask_input),
        raw=bold_file,
        bold=result("preprocess/{run_id}/desc-preproc_bold.nii.gz"),
        mask=result("preprocess/{run_id}/mask.nii.gz"),
        confounds=result("preprocess/{run_id}/confounds.tsv"),
        records=expand(result("preprocess/{{run_id}}/{step}.step.json"), step=[*RECORDS, "confounds"]),
    output:
        summary=result("preprocess/{run_id}/summary.json"),
        carpet=result("preprocess/{run_id}/carpet.png"),
    log:
        log_file("preprocess/{run_id}.summary"),
    benchmark:
        benchmark_file("preprocess/{run_id}.summary")
    group:
        "preprocess"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(800, 4),
        runtime=runtime(5, 20),
    params:
        backend=BACKEND,
        tr=run_record("tr"),
    script:
        "../workflow/scripts/preprocess_summary.py"
