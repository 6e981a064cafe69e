from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.register import register_to_template

    files, out, threads = snakemake.input, snakemake.output, snakemake.threads
    record = register_to_template(files.mean, files.mask, out.matrix, bias=files.get("bias"), threads=threads)
    write_json(out.record, record)
