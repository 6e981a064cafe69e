from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.preprocess.fsl.register import warp_anatomy

    warp_anatomy(snakemake.input.t1w, snakemake.input.matrix, snakemake.output.warp)
