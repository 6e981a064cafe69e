from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.motion import correct_motion

    record = correct_motion(
        snakemake.input.bold,
        snakemake.output.bold,
        snakemake.output.parameters,
        snakemake.output.mean,
        threads=snakemake.threads,
    )
    write_json(snakemake.output.record, record)
