from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.highpass import highpass

    record = highpass(
        snakemake.input.bold,
        snakemake.output.bold,
        tr=snakemake.params.tr,
        highpass_s=snakemake.params.highpass_s,
        threads=snakemake.threads,
    )
    write_json(snakemake.output.record, record)
