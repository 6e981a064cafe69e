# The task's general linear model, run by run. Which maps a run has follows from its events, so there
# is one rule for every set of events in the study: usually one, one per task otherwise.


GLM_RULES = []

for events, contrasts, members in EVENT_SETS:
    GLM_RULES.append("_".join(sorted({RUNS[run_id].task or "task" for run_id in members})))
    # Runs of one task differ in events where one did not occur.
    number = GLM_RULES.count(GLM_RULES[-1])

    rule:
        name:
            f"fit_glm_{GLM_RULES[-1]}" + (f"_{number}" if number > 1 else "")
        input:
            shard=result("signals/{run_id}.h5"),
            confounds=result("preprocess/{run_id}/confounds.tsv"),
            events=events_file,
        output:
            design=result("glm/{run_id}/design.tsv"),
            summary=result("glm/{run_id}/summary.json"),
            maps=glm_maps([*events, *contrasts]),
        log:
            log_file("glm/{run_id}"),
        benchmark:
            benchmark_file("glm/{run_id}")
        wildcard_constraints:
            run_id="|".join(re.escape(run_id) for run_id in members),
        group:
            "raw"
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            mem_mb=mem_mb(1500, 6),
            runtime=runtime(5, 90),
        params:
            hrf=config["glm"]["hrf"],
            noise=config["glm"]["noise"],
            confounds=config["glm"]["confounds"],
            contrasts={name: config["glm"]["contrasts"][name] for name in contrasts},
            highpass_s=config["preprocess"]["highpass_s"],
            filtered=BACKEND != "none",
            regress=REGRESS,
        script:
            "../workflow/scripts/glm.py"
