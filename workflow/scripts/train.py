import os
from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads, progress=True):
    from dca.train import TrainSettings, train

    shards = [*snakemake.input.training, *snakemake.input.validation]
    targets = snakemake.input.targets  # their folder, where there are any
    train(
        snakemake.input.training,
        snakemake.input.validation,
        Path(snakemake.output.summary).parent,
        snakemake.params.model,
        TrainSettings.from_config(snakemake.config["train"]),
        snakemake.params.seed,
        threads=snakemake.threads,
        targets=[Path(targets, Path(shard).name) for shard in shards] if targets else (),
        attempt=snakemake.resources.attempt or None,
        submission=os.environ.get("SLURM_JOB_ID", ""),
        model_extra={"model": snakemake.params.model, "train": snakemake.params.train},
    )
