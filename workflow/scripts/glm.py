from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.glm import fit_run

    fit_run(
        snakemake.input.shard,
        snakemake.input.events,
        snakemake.input.confounds,
        Path(snakemake.output.design).parent,
        hrf=snakemake.params.hrf,
        noise=snakemake.params.noise,
        confounds_kind=snakemake.params.confounds,
        contrasts=snakemake.params.contrasts,
        highpass_s=snakemake.params.highpass_s,
        filtered=snakemake.params.filtered,
        regress=snakemake.params.regress,
    )
