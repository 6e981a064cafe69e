from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.denoise import denoise

    files = snakemake.input
    denoise(files.shard, Path(files.card).parent, snakemake.output.image, threads=snakemake.threads)
