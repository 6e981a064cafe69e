from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.compare import sum_maps

    sum_maps([Path(file).parent for file in snakemake.input.summaries], snakemake.output.sums)
