# In-mask series, normalised, one shard per run.


rule extract_signals:
    input:
        bold=result("preprocess/{run_id}/desc-preproc_bold.nii.gz"),
        mask=result("preprocess/{run_id}/mask.nii.gz"),
    output:
        shard=result("signals/{run_id}.h5"),
    log:
        log_file("signals/{run_id}"),
    benchmark:
        benchmark_file("signals/{run_id}")
    group:
        "preprocess"
    conda:
        "../envs/dca.yaml"
    threads: 2
    resources:
        mem_mb=mem_mb(600, 8),
        runtime=runtime(5, 10),
    params:
        subject=run_record("subject"),
        tr=run_record("tr"),
        space=run_space,
        length=LENGTH,
        preprocessing=PREPROCESSING,
        seed=config["seed"],
    script:
        "../workflow/scripts/signals.py"
