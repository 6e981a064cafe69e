from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.preprocess.fsl.register import register_to_standard

    register_to_standard(snakemake.input.brain, snakemake.output.matrix)
