from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.slice_timing import correct_slice_timing

    times, axis = snakemake.params.times
    record = correct_slice_timing(
        snakemake.input.bold, snakemake.output.bold, tr=snakemake.params.tr, times=times, axis=axis
    )
    write_json(snakemake.output.record, record)
