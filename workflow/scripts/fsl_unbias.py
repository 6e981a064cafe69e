from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.intensity import correct_bias

    files, out = snakemake.input, snakemake.output
    write_json(out.record, correct_bias(files.bold, files.bias, out.bold))
