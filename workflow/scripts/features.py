from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.features import encode

    encode(
        snakemake.input.shard,
        Path(snakemake.input.card).parent,
        snakemake.output.features,
        threads=snakemake.threads,
        storage=snakemake.params.storage,
    )
