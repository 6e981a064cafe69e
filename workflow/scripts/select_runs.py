from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.inputs import read_runs
    from dca.preprocess.limits import select_runs

    out = Path(snakemake.output.table)
    runs = read_runs(out.parents[1] / "inputs.tsv")
    select_runs(runs, snakemake.input.summaries, snakemake.params.limits, out)
