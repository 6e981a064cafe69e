from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.register import epi_to_standard

    record = epi_to_standard(snakemake.output.warp, **dict(snakemake.input.items()))
    write_json(snakemake.output.record, record)
