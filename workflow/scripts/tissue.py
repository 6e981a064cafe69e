from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.tissue import find_tissue

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    record = find_tissue(
        files.mean,
        files.mask,
        files.t1w,
        out.csf,
        out.white_matter,
        normalised=params.normalised,
        seed=params.seed,
        threads=snakemake.threads,
    )
    write_json(out.record, record)
