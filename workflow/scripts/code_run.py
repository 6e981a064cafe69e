from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.decompose import code_run

    files = snakemake.input
    code_run(
        files.get("features", files.shard),
        Path(files.atoms).parent,
        files.shard,
        Path(snakemake.output.dictionary).parent,
        threads=snakemake.threads,
    )
