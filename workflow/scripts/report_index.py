from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.report import write_index

    write_index(
        snakemake.output.page,
        snakemake.params.runs,
        Path(snakemake.output.page).parents[1],
        snakemake.params.config,
    )
