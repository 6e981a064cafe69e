"""Parts of benchmarks/validation.py: which decompositions find the task of simulated runs."""
