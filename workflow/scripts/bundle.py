from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.report import bundle_report

    bundle_report(snakemake.input, snakemake.output.folder)
