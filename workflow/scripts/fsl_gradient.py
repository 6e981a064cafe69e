from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.gradient import unwarp_gradients

    files, out = snakemake.input, snakemake.output
    record = unwarp_gradients(
        files.bold, files.coefficients, out.bold, out.warp, vendor=snakemake.params.vendor
    )
    write_json(out.record, record)
