# Memory and time of a job: a floor plus a share of its input, more at each attempt.
# Inputs are compressed: a gzipped 4-D image takes about six times its size as float32.


def mem_mb(floor, per_input_mb=0.0):
    """Megabytes as a function of the input's size and the attempt."""

    def needed(wildcards, input, attempt):
        return int((floor + per_input_mb * input.size_mb) * (1 + (attempt - 1) / 2))

    return needed


def runtime(floor, per_input_gb=0.0):
    """Minutes as a function of the input's size and the attempt."""

    def needed(wildcards, input, attempt):
        return int((floor + per_input_gb * input.size_mb / 1000) * attempt) + 1

    return needed
