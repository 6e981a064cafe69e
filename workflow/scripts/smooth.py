from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.smooth import smooth

    record = smooth(snakemake.input.bold, snakemake.output.bold, fwhm_mm=snakemake.params.fwhm_mm)
    write_json(snakemake.output.record, record)
