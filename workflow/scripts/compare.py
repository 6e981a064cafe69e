from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.compare import compare_run

    folders = [Path(file).parent for file in snakemake.input.dictionaries]
    compare_run(
        snakemake.output.table,
        shard=snakemake.input.shard,
        events=snakemake.input.events,
        glm=Path(snakemake.input.design).parent,
        decompositions=dict(zip(snakemake.params.setups, folders, strict=True)),
        split=snakemake.params.split,
        sums=snakemake.input.get("sums"),
        volumes=snakemake.params.volumes,
        hrf=snakemake.params.hrf,
        highpass_s=snakemake.params.highpass_s,
        filtered=snakemake.params.filtered,
        regress=snakemake.params.regress,
        confounds=snakemake.input.confounds,
        surrogates=snakemake.params.surrogates,
        seed=snakemake.params.seed,
        atoms=snakemake.output.atoms,
        shared=snakemake.params.shared,
    )
