from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.simulate import Scenario, write_dataset_files

    options = dict(snakemake.params.options)
    subjects = options.pop("subjects")
    folder = Path(snakemake.output.description).parent
    write_dataset_files(folder, subjects, snakemake.params.seed, Scenario(**options))
