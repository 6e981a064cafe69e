from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.motion import correct_motion

    out = snakemake.output
    record = correct_motion(snakemake.input.bold, out.bold, out.parameters, out.matrices, out.mean)
    write_json(out.record, record)
