from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.confounds import write_confounds

    record = write_confounds(
        snakemake.input.bold,
        snakemake.input.mask,
        snakemake.output.table,
        parameters=snakemake.input.get("parameters"),
        given=snakemake.input.get("given"),
        censor_fd_mm=snakemake.params.censor_fd_mm,
    )
    write_json(snakemake.output.record, record)
