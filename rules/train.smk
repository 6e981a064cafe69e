# One model from all training runs.


# Where it runs, and how often it saves, makes no other model of it.
TRAINED_BY = {
    key: value
    for key, value in config["train"].items()
    if key not in ("launcher", "hosts", "interface", "checkpoint_s", "freeze")
}


if SHARED_TARGET:

    rule share_targets:
        input:
            training=per_kept_run("signals/{run_id}.h5", lambda run: run.split == "train"),
            held_out=per_kept_run("signals/{run_id}.h5", lambda run: run.split == "validation"),
            training_events=kept_events("train"),
            held_out_events=kept_events("validation"),
        output:
            targets=temp(directory(result("train/targets"))),
        log:
            log_file("train_targets"),
        benchmark:
            benchmark_file("train_targets")
        conda:
            "../envs/dca.yaml"
        threads: 1
        resources:
            # The sums over a design and over a subject, each of a run's size, whatever the number of runs.
            mem_mb=mem_mb(3000),
            runtime=runtime(20, 2),
        params:
            storage=config["signals"]["storage"],
        script:
            "../workflow/scripts/share_targets.py"


# A model that is kept has no rule: it is there, whatever changes before it.
if not FROZEN:

    rule train_model:
        input:
            training=per_kept_run("signals/{run_id}.h5", lambda run: run.split == "train"),
            validation=per_kept_run("signals/{run_id}.h5", lambda run: run.split == "validation"),
            targets=result("train/targets") if SHARED_TARGET else [],
        output:
            card=result("train/model/card.json"),
            weights=result("train/model/model.weights.h5"),
            history=result("train/history.tsv"),
            timeline=result("train/timeline.tsv"),
            summary=result("train/summary.json"),
        log:
            log_file("train"),
        benchmark:
            benchmark_file("train")
        conda:
            f"../envs/{CLUSTER['train_env']}.yaml"
        threads: train_threads
        resources:
            mem_mb=mem_mb(2000 + 1500 * (config["train"]["workers"] + config["train"]["servers"])),
            runtime=runtime(60, 600),
            attempt=lambda wildcards, attempt: attempt if workflow.remote_exec else 0,
        params:
            model=config["model"],
            train=TRAINED_BY,
            seed=config["seed"],
        script:
            "../workflow/scripts/train.py"
