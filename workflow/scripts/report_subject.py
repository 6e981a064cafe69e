from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.report import write_subject

    write_subject(
        snakemake.output.page,
        snakemake.wildcards.subject,
        snakemake.params.runs,
        Path(snakemake.output.page).parents[1],
        snakemake.params.config,
    )
