from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.compare import GroupRun, replicate

    files, runs = snakemake.input, snakemake.params.runs
    members = {}
    for i, setup in enumerate(snakemake.params.setups):
        folders = [Path(file).parent for file in files.dictionaries[i * len(runs) : (i + 1) * len(runs)]]
        members[setup] = [
            GroupRun(*run, shard, design, folder)
            for run, shard, design, folder in zip(runs, files.shards, files.designs, folders, strict=True)
        ]
    replicate(members, snakemake.output.table)
