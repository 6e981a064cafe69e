from dca.jobs import job

with job(snakemake.log[0], snakemake.threads):
    from dca.simulate import Scenario, simulate_subject

    params = snakemake.params
    index = int(snakemake.wildcards.subject) - 1
    simulate_subject(params.folder, index, params.seed, Scenario(**params.options))
