from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.feat import run_feat

    out, params = snakemake.output, snakemake.params
    records = run_feat(
        snakemake.input.bold,
        out.bold,
        out.mask,
        out.mean,
        out.parameters,
        out.matrices,
        out.design,
        tr=params.tr,
        highpass_s=params.highpass_s,
        smooth_mm=params.smooth_mm,
    )
    for path, record in zip((out.record, out.mask_record), records, strict=True):
        write_json(path, record)
