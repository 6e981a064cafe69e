from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.signals import extract

    extract(
        snakemake.input.bold,
        snakemake.input.mask,
        snakemake.output.shard,
        run_id=snakemake.wildcards.run_id,
        subject=snakemake.params.subject,
        tr=snakemake.params.tr,
        space=snakemake.params.space,
        seed=snakemake.params.seed,
        preprocessing=snakemake.params.preprocessing,
        length=snakemake.params.length,
        storage=snakemake.params.storage,
        detrend=snakemake.params.detrend,
        threads=snakemake.threads,
    )
