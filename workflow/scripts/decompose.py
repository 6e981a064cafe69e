from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.decompose import learn

    files, params = snakemake.input, snakemake.params
    learn(
        files.get("features", files.shard),
        Path(snakemake.output.dictionary).parent,
        setup=snakemake.wildcards.setup,
        atoms=params.atoms,
        normalise=params.normalise,
        lam=params.lam,
        batch_size=params.batch_size,
        passes=params.passes,
        seed=params.seed,
        threads=snakemake.threads,
        model_folder=Path(files.card).parent if files.get("card") else None,
        shard=files.shard,
        courses=params.courses,
    )
