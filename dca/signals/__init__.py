"""Signals: every run's voxel series as one HDF5 shard, and the way back to images."""

from dca.signals.extract import extract
from dca.signals.shard import Shard, write_shard
from dca.signals.targets import write_targets

__all__ = ["Shard", "extract", "write_shard", "write_targets"]
