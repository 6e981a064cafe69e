from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.decompose import learn_group
    from dca.decompose.group import halves
    from dca.decompose.settings import Settings

    files, params = snakemake.input, snakemake.params
    names = ("atoms", "normalise", "lam", "batch_size", "passes", "seed")
    learn_group(
        files.sources,
        Path(snakemake.output.dictionary).parent,
        setup=snakemake.wildcards.setup,
        settings=Settings(**{name: params[name] for name in names}, threads=snakemake.threads),
        columns=params.columns,
        halves=halves(files.sources, params.subjects),
        model_folder=Path(files.card).parent if files.get("card") else None,
    )
