from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.brain import bias_field

    write_json(snakemake.output.record, bias_field(snakemake.input.brain, snakemake.output.bias))
