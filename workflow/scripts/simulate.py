from pathlib import Path

from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.simulate import Scenario, simulate_subject

    options = {key: value for key, value in snakemake.params.options.items() if key != "subjects"}
    index = int(snakemake.wildcards.subject) - 1
    folder = Path(snakemake.input.description).parent
    simulate_subject(folder, index, snakemake.params.seed, Scenario(**options))
