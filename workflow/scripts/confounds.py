from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.confounds import write_confounds

    files, params = snakemake.input, snakemake.params
    record = write_confounds(
        files.bold,
        files.mask,
        snakemake.output.table,
        tr=params.tr,
        highpass_s=params.highpass_s,
        parameters=files.get("parameters"),
        tissue={name: files[name] for name in ("csf", "white_matter") if files.get(name)},
        given=files.get("given"),
        censor_fd_mm=params.censor_fd_mm,
    )
    write_json(snakemake.output.record, record)
