from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.mask import brain_mask, data_mask, given_mask

    files, out = snakemake.input, snakemake.output.mask
    if files.get("given"):
        record = given_mask(files.given, files.bold, out)
    else:
        record = brain_mask(files.mean, out) if files.get("mean") else data_mask(files.bold, out)
    write_json(snakemake.output.record, record)
