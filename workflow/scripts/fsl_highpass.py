from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.intensity import highpass

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    record = highpass(files.bold, out.bold, tr=params.tr, highpass_s=params.highpass_s)
    write_json(out.record, record)
