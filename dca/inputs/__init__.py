"""Inputs: which runs there are, what belongs to each, and whether they can be used.

Images, events, confounds and the run table; BIDS datasets, manifests and HCP's folders are looked through
by `list_runs`, or by `refresh`, which keeps ``results/inputs.tsv`` up to date with them.
"""

from dca.inputs.confounds import read_confounds
from dca.inputs.event_sets import event_sets
from dca.inputs.events import read_events, safe_name
from dca.inputs.evs import write_events
from dca.inputs.frozen import frozen_card
from dca.inputs.image import open_bold, open_mask, read_bold
from dca.inputs.index import list_runs
from dca.inputs.listing import refresh
from dca.inputs.run import Run, read_runs, training_length, write_runs

__all__ = [
    "Run",
    "event_sets",
    "frozen_card",
    "list_runs",
    "open_bold",
    "open_mask",
    "read_bold",
    "read_confounds",
    "read_events",
    "read_runs",
    "refresh",
    "safe_name",
    "training_length",
    "write_events",
    "write_runs",
]
