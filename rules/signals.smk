# In-mask series, normalised, one shard per run.

# Where runs may be left out and the others are cut to the shortest of them, its length is known only then;
# a list of the same runs that is merely younger changes nothing.
AFTER_SELECTION = EXCLUDE and CROP


rule extract_signals:
    input:
        bold=result("preprocess/{run_id}/desc-preproc_bold.nii.gz"),
        mask=result("preprocess/{run_id}/mask.nii.gz"),
        # Made while the steps' records, which are temporary, are there: not only once the report asks for it.
        summary=ancient(result("preprocess/{run_id}/summary.json")),
        included=ancient(result("preprocess/included.tsv")) if AFTER_SELECTION else [],
    output:
        shard=result("signals/{run_id}.h5"),
    log:
        log_file("signals/{run_id}"),
    benchmark:
        benchmark_file("signals/{run_id}")
    group:
        "signals" if AFTER_SELECTION else "preprocess"
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
        length=kept_length,
        preprocessing=PREPROCESSING,
        seed=config["seed"],
        storage=config["signals"]["storage"],
        detrend=settings.detrends(config),
    script:
        "../workflow/scripts/signals.py"
