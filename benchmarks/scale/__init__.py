"""What benchmarks/scale.py measures: one module for each kind of measurement."""
