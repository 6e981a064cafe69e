from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.scale import scale

    files, out = snakemake.input, snakemake.output
    write_json(out.record, scale(files.bold, files.mask, out.bold, bias=files.get("bias")))
