# From the scanner's images to runs that are ready for analysis. The backend makes the image, the mask
# and the mean; what follows is the same for all.


include: f"preprocess_{BACKEND}.smk"


rule find_tissue:
    input:
        mean=result("preprocess/{run_id}/mean.nii.gz"),
        mask=result("preprocess/{run_id}/mask.nii.gz"),
        t1w=t1w_file,
    output:
        csf=tissue_mask("csf"),
        white_matter=tissue_mask("white_matter"),
        record=temp(result("preprocess/{run_id}/tissue.step.json")),
    log:
        log_file("preprocess/{run_id}.tissue"),
    benchmark:
        benchmark_file("preprocess/{run_id}.tissue")
    group:
        "preprocess"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(10),
    params:
        normalised=NORMALISED,
        seed=config["seed"],
    script:
        "../workflow/scripts/tissue.py"


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
        tr=run_record("tr"),
        highpass_s=config["preprocess"]["highpass_s"],
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
        records=record_files,
    output:
        summary=result("preprocess/{run_id}/summary.json"),
        carpet=result("preprocess/{run_id}/carpet.png"),
        tsnr=result("preprocess/{run_id}/tsnr.png"),
        vectors=run_vectors("{run_id}"),
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


if EXCLUDE:

    # What comes after depends on what is found here, so Snakemake plans it once this is known.
    checkpoint select_runs:
        input:
            summaries=per_run("preprocess/{run_id}/summary.json"),
        output:
            table=result("preprocess/included.tsv"),
        log:
            log_file("preprocess/select_runs"),
        benchmark:
            benchmark_file("preprocess/select_runs")
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(500),
            runtime=runtime(2),
        params:
            limits=config["preprocess"]["limits"],
            runs=[plain(run) for run in runs],
        script:
            "../workflow/scripts/select_runs.py"
