import os
from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads, progress=True):
    from dca.train import TrainSettings, train

    shards = [*snakemake.input.training, *snakemake.input.validation]
    folders = [snakemake.input.targets] if snakemake.input.targets else []
    train(
        snakemake.input.training,
        snakemake.input.validation,
        Path(snakemake.output.summary).parent,
        snakemake.params.model,
        TrainSettings.from_config(snakemake.config["train"]),
        snakemake.params.seed,
        threads=snakemake.threads,
        targets=[Path(folder, Path(shard).name) for folder in folders for shard in shards],
        attempt=snakemake.resources.attempt or None,
        submission=os.environ.get("SLURM_JOB_ID", ""),
        model_extra={"model": snakemake.params.model, "train": snakemake.params.train},
    )
