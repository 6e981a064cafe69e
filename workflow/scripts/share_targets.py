from dca.jobs import job

with job(snakemake.log[0], snakemake.threads, progress=True):
    from dca.signals import write_targets

    write_targets(
        dict(zip(snakemake.input.training, snakemake.input.training_events, strict=True)),
        dict(zip(snakemake.input.held_out, snakemake.input.held_out_events, strict=True)),
        snakemake.output.targets,
        snakemake.params.storage,
    )
