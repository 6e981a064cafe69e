from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.preprocess.fsl.brain import anatomical_brain

    anatomical_brain(snakemake.input.t1w, snakemake.output.brain)
