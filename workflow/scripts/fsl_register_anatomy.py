from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.preprocess.fsl.register import register_to_anatomy

    files, bbr = snakemake.input, snakemake.params.bbr
    register_to_anatomy(files.mean, files.brain, files.t1w, files.t1w_brain, snakemake.output.matrix, bbr=bbr)
