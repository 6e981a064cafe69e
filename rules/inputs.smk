# What the workflow makes of its inputs: the embedded demo, a simulated dataset with one job per subject, and
# the events of HCP's runs.


rule describe_demo:
    output:
        description=given_file(DEMO / "dataset_description.json"),
        participants=given_file(DEMO / "participants.tsv"),
    log:
        log_file("inputs/demo"),
    benchmark:
        benchmark_file("inputs/demo")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(1),
    params:
        options=config["demo"],
        seed=config["seed"],
    script:
        "../workflow/scripts/demo.py"


rule simulate_subject:
    output:
        bold=given_file(layout.bold_path(DEMO, "{subject}")),
        sidecar=given_file(layout.sidecar_path(DEMO, "{subject}")),
        events=given_file(layout.events_path(DEMO, "{subject}")),
    log:
        log_file("inputs/{subject}"),
    benchmark:
        benchmark_file("inputs/{subject}")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(2000),
        runtime=runtime(5),
    params:
        folder=lambda wildcards, output: str(Path(output.bold).parents[2]),
        options=subject_of_demo(),
        seed=config["seed"],
    script:
        "../workflow/scripts/simulate.py"


rule write_events:
    input:
        evs=ev_files,
    output:
        table=given_file(WRITTEN / "{run_id}_events.tsv"),
    log:
        log_file("inputs/{run_id}"),
    benchmark:
        benchmark_file("inputs/{run_id}")
    group:
        "raw"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(1),
    params:
        seconds=lambda wildcards: RUNS[wildcards.run_id].volumes * RUNS[wildcards.run_id].tr,
    script:
        "../workflow/scripts/events.py"
