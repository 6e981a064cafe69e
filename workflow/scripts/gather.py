from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.compare import gather

    gather(
        snakemake.input.tables,
        snakemake.output.pcc,
        snakemake.output.group,
        seed=snakemake.params.seed,
    )
