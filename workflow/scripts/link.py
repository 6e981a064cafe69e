from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.link import link

    record = link(snakemake.input.bold, snakemake.output.bold, snakemake.output.mean)
    write_json(snakemake.output.record, record)
