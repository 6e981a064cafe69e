"""DCA: task-fMRI runs to autoencoder features, brain networks and a report.

snakemake -c2                                   the whole study (default settings: an embedded demo)
snakemake -c2 glm                               one stage: preprocess signals train features ... report
snakemake -c2 results/glm/<run_id>/design.tsv   one file
snakemake -s <clone>/Snakefile --configfile my.yaml   from any folder
"""

from snakemake.utils import min_version

min_version("9.27.1")


include: "rules/common/study.smk"
include: "rules/common/paths.smk"
include: "rules/common/anatomy.smk"
include: "rules/common/steps.smk"
include: "rules/common/resources.smk"
include: "rules/common/planning.smk"
include: "rules/common/groups.smk"
include: "rules/common/group_jobs.smk"


wildcard_constraints:
    run_id="sub-[A-Za-z0-9]+(_[a-z]+-[A-Za-z0-9]+)*",
    subject="[A-Za-z0-9]+",
    setup="raw|dca|dca-signal|raw-group|dca-group",


localrules:
    all,
    preprocess,
    signals,
    train,
    features,
    decompose,
    glm,
    compare,
    report,
    describe_demo,


rule all:
    default_target: True
    input:
        report_files(),
        compare_files(),
        denoised_files,
        demo_files(),


rule preprocess:
    input:
        per_run("preprocess/{run_id}/summary.json"),


rule signals:
    input:
        per_kept_run("signals/{run_id}.h5"),


rule train:
    input:
        model_files(),


rule features:
    input:
        per_kept_run("features/{run_id}.h5"),
        denoised_files,


rule decompose:
    input:
        *decompose_files(),


rule glm:
    input:
        per_kept_task_run("glm/{run_id}/summary.json"),


rule compare:
    input:
        compare_files(),


rule report:
    input:
        report_files(),


include: "rules/inputs.smk"
include: "rules/preprocess.smk"
include: "rules/signals.smk"
include: "rules/train.smk"
include: "rules/features.smk"
include: "rules/decompose.smk"
include: "rules/glm.smk"
include: "rules/compare.smk"
include: "rules/report.smk"


onstart:
    record_command(RESULTS, sys.argv)


onsuccess:
    Checkpoints(f"{RESULTS}/train", "").forget_ended()


onerror:
    print(failures.summary(log if isinstance(log, list) else [log]), file=sys.stderr)
