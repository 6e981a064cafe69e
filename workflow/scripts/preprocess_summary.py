from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import read_json
    from dca.preprocess.figures import carpet, tsnr
    from dca.preprocess.summary import write_summary

    files, params, run_id = snakemake.input, snakemake.params, snakemake.wildcards.run_id
    write_summary(
        snakemake.output.summary,
        files.bold,
        files.mask,
        run_id=run_id,
        backend=params.backend,
        steps=[read_json(record) for record in files.records],
    )
    figures = snakemake.output
    raw_mask = files.get("raw_mask", files.mask)
    options = {"tr": params.tr, "title": run_id, "raw_mask": raw_mask}
    carpet(files.raw, files.bold, files.mask, files.confounds, figures.carpet, **options)
    tsnr(files.raw, raw_mask, files.bold, files.mask, figures.tsnr, title=run_id)
