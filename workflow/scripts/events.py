from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.inputs import write_events

    write_events(snakemake.input.evs, snakemake.params.seconds, snakemake.output.table)
