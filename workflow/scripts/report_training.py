from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.report import write_training

    write_training(snakemake.output.page, Path(snakemake.output.page).parents[1], snakemake.params.config)
