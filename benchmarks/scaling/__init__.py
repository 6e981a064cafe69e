"""Parts of benchmarks/scaling.py: what the exchange, the modes and the training step cost."""
