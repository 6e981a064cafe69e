"""Inputs: which runs there are, what belongs to each, and whether they can be used.

Images, events and the run table; BIDS datasets and manifests are looked through by `list_runs`, or by
`refresh`, which keeps ``results/inputs.tsv`` up to date with them.
"""

from dca.inputs.event_sets import event_sets
from dca.inputs.events import read_events, safe_name
from dca.inputs.image import open_bold, open_mask, read_bold
from dca.inputs.index import list_runs
from dca.inputs.listing import refresh
from dca.inputs.run import Run, read_runs, training_length, write_runs

__all__ = [
    "Run",
    "event_sets",
    "list_runs",
    "open_bold",
    "open_mask",
    "read_bold",
    "read_events",
    "read_runs",
    "refresh",
    "safe_name",
    "training_length",
    "write_runs",
]
