from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.intensity import smooth

    files, out = snakemake.input, snakemake.output
    record = smooth(files.bold, files.mask, out.bold, fwhm_mm=snakemake.params.fwhm_mm)
    write_json(out.record, record)
