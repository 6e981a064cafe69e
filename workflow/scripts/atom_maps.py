from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.decompose import write_maps

    write_maps(
        snakemake.input.shard,
        Path(snakemake.output.maps).parent,
        snakemake.input.get("design"),
        snakemake.params.events,
        snakemake.params.which,
        snakemake.output.maps,
    )
