from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.bias import bias_field

    files, out = snakemake.input, snakemake.output
    record = bias_field(files.mean, files.mask, out.bias, threads=snakemake.threads)
    write_json(out.record, record)
