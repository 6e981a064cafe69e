"""Backend `still`: takes every head for one that did not move."""

import numpy as np
import pandas as pd

from dca.files import write_json, write_tsv
from dca.inputs import open_bold
from dca.preprocess.backends import Backend
from dca.preprocess.link import link
from dca.preprocess.mask import brain_mask
from dca.preprocess.motion import DESCRIPTIONS, PARAMETERS

BACKEND = Backend(
    steps=lambda _: ["motion"],
    records=lambda _: ["motion", "mask"],
    aligned=("motion",),
    methods="Heads were taken to lie still.",
)


def preprocess(source, bold, mask, mean, parameters, record, mask_record):
    found = link(source, bold, mean)
    rest = np.zeros((open_bold(source).shape[3], len(PARAMETERS)))
    write_tsv(parameters, pd.DataFrame(rest, columns=list(PARAMETERS)), DESCRIPTIONS)
    write_json(record, found | {"step": "motion", "method": "none: the head lay still"})
    write_json(mask_record, brain_mask(mean, mask))
