from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.brain import epi_brain

    out = snakemake.output
    write_json(out.record, epi_brain(snakemake.input.mean, out.mask, out.brain))
