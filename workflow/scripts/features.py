from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.features import encode
    from dca.reconstruction import write_examples

    model = Path(snakemake.input.card).parent
    encode(
        snakemake.input.shard,
        model,
        snakemake.output.features,
        threads=snakemake.threads,
        storage=snakemake.params.storage,
    )
    write_examples(snakemake.input.shard, model, snakemake.output.examples)
