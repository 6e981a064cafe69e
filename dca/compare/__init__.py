"""Comparison of atoms with the task: correlation, nulls by surrogate designs, space, groups."""

from dca.compare.group import gather
from dca.compare.others import sum_maps
from dca.compare.replication import GroupRun, replicate
from dca.compare.run import compare_run

__all__ = ["GroupRun", "compare_run", "gather", "replicate", "sum_maps"]
