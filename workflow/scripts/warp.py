from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.warp import warp_to_template

    files, out = snakemake.input, snakemake.output
    record = warp_to_template(
        files.mean, files.mask, files.matrix, out.warp, bias=files.get("bias"), threads=snakemake.threads
    )
    write_json(out.record, record)
