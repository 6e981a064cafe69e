from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.features import encode
    from dca.reconstruction import write_examples

    shard, model, threads = snakemake.input.shard, Path(snakemake.input.card).parent, snakemake.threads
    # First what takes seconds: if it fails, Snakemake deletes all outputs of the job.
    write_examples(shard, model, snakemake.output.examples, threads=threads)
    encode(shard, model, snakemake.output.features, threads=threads, storage=snakemake.params.storage)
