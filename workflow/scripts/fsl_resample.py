from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.files import write_json
    from dca.preprocess.fsl.resample import Moved, resample

    files, out = snakemake.input, snakemake.output
    moved = files.get("standard_warp")
    record = resample(
        files.bold,
        files.matrices,
        files.mean,
        out.bold,
        gradient_warp=files.get("gradient_warp"),
        standard_warp=moved,
        source=Moved(files.mask, files.mean, files.get("bias")) if moved else None,
        out=Moved(out.mask, out.mean, out.get("bias")) if moved else None,
    )
    write_json(out.record, record)
