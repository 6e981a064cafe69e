from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.regress import regress

    record = regress(
        snakemake.input.bold,
        snakemake.input.confounds,
        snakemake.output.bold,
        kind=snakemake.params.regress,
        tr=snakemake.params.tr,
        highpass_s=snakemake.params.highpass_s,
    )
    write_json(snakemake.output.record, record)
