# HTML pages: one per subject, one of the training, and the index of the study; and all of them in one folder.


rule report_subject:
    input:
        subject_report_input,
        training_summary(),
    output:
        **files_beside("report/{subject}"),
        page=shown_page("report/{subject}", "Subjects", "../workflow/report/subject.rst"),
    log:
        log_file("report/{subject}"),
    benchmark:
        benchmark_file("report/{subject}")
    group:
        "report"
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(5, 10),
    params:
        runs=lambda wildcards: [plain(run) for run in runs if run.subject == wildcards.subject],
        config=REPORTED,
    script:
        "../workflow/scripts/report_subject.py"


rule report_training:
    input:
        model_files(),
        scaling_tables(),
    output:
        **files_beside("report/training"),
        page=shown_page("report/training", "Study", "../workflow/report/training.rst"),
    log:
        log_file("report/training"),
    benchmark:
        benchmark_file("report/training")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(1500),
        runtime=runtime(5),
    params:
        config=REPORTED,
    script:
        "../workflow/scripts/report_training.py"


rule report_index:
    input:
        index_report_input,
    output:
        **files_beside("report/index"),
        page=shown_page("report/index", "Study", "../workflow/report/index.rst"),
    log:
        log_file("report/index"),
    benchmark:
        benchmark_file("report/index")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        # A few small files of every run (docs/scale.md).
        mem_mb=mem_mb(1500 + 0.25 * len(runs)),
        runtime=runtime(5 + len(runs) / 100),
    params:
        runs=[plain(run) for run in runs],
        config=REPORTED,
    script:
        "../workflow/scripts/report_index.py"


# For `snakemake --report report.zip`: that takes files one by one, and pages without what they link to.
rule bundle_report:
    input:
        report_pages(),
    output:
        folder=report(
            directory(result("report_bundle")),
            htmlindex="index.html",
            category="Study",
            caption="../workflow/report/index.rst",
        ),
    log:
        log_file("report/bundle"),
    benchmark:
        benchmark_file("report/bundle")
    conda:
        "../envs/dca.yaml"
    threads: 1
    resources:
        mem_mb=mem_mb(500),
        runtime=runtime(5),
    script:
        "../workflow/scripts/bundle.py"
