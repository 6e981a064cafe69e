"""A study on a cluster: what it will take, what is left of an earlier run of it, why jobs failed.

Snakemake and Slurm are only called as programs here.
"""
