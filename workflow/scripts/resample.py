from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.resample import OnGrid, resample

    files, out = snakemake.input, snakemake.output
    record = resample(
        files.bold,
        files.parameters,
        files.matrix,
        out.bold,
        OnGrid(files.mask, files.mean, files.get("bias")),
        OnGrid(out.mask, out.mean, out.get("bias")),
        voxel_mm=snakemake.params.voxel_mm,
        warp=files.get("warp"),
    )
    write_json(out.record, record)
