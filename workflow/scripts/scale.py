from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.scale import scale

    record = scale(snakemake.input.bold, snakemake.input.mask, snakemake.output.bold)
    write_json(snakemake.output.record, record)
