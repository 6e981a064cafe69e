# Atoms against the task's design.


rule sum_maps:
    input:
        summaries=per_kept_task_run("glm/{run_id}/summary.json"),
        maps=z_maps,
    output:
        sums=result("compare/z_sums.h5"),
    log:
        log_file("compare/z_sums"),
    benchmark:
        benchmark_file("compare/z_sums")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(5, 60),
    script:
        "../workflow/scripts/sum_maps.py"


rule compare_run:
    input:
        unpack(compare_input),
    output:
        table=result("compare/runs/{run_id}.tsv"),
        atoms=result("compare/atoms/{run_id}.tsv"),
    log:
        log_file("compare/{run_id}"),
    benchmark:
        benchmark_file("compare/{run_id}")
    group:
        "dca"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000, 6),
        runtime=runtime(5, 90),
    params:
        setups=SETUPS,
        shared=MODEL_TARGET == "others",
        split=run_record("split"),
        volumes=run_record("volumes"),
        hrf=config["glm"]["hrf"],
        highpass_s=config["preprocess"]["highpass_s"],
        filtered=BACKEND != "none",
        regress=REGRESS,
        surrogates=config["compare"]["surrogates"],
        seed=config["seed"],
    script:
        "../workflow/scripts/compare.py"


rule gather_comparison:
    input:
        tables=per_kept_task_run("compare/runs/{run_id}.tsv"),
    output:
        pcc=report(
            result("compare/pcc.tsv"),
            category="Comparison",
            caption="../workflow/report/pcc.rst",
        ),
        group=report(
            result("compare/group.tsv"),
            category="Comparison",
            caption="../workflow/report/group.rst",
        ),
    log:
        log_file("compare/gather"),
    benchmark:
        benchmark_file("compare/gather")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1000),
        runtime=runtime(2),
    params:
        seed=config["seed"],
    script:
        "../workflow/scripts/gather.py"


rule replicate:
    input:
        unpack(replication_input),
    output:
        table=result("compare/replication.tsv"),
    log:
        log_file("compare/replication"),
    benchmark:
        benchmark_file("compare/replication")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(3000),
        runtime=runtime(30, 60),
    params:
        setups=GROUP_SETUPS,
        runs=lambda wildcards: [
            (run.run_id, run.subject, run.split, list(run.events)) for run in kept_task_runs()
        ],
    script:
        "../workflow/scripts/replicate.py"
