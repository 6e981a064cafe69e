"""Whole studies: planning, memory by the number of subjects, and what HCP-1200 will take."""

from __future__ import annotations

import dag as planning
import pandas as pd
import projection as costs
import study_memory

from scale.run import Options

SUBJECTS = (10, 100, 1200)
RUNS = (1, 2)


def dag(options: Options) -> pd.DataFrame:
    """Rows of scale_dag.tsv: dry runs of simulated studies, one and two runs of a subject."""
    path = options.out / "scale_dag.tsv"
    for subjects in (3,) if options.quick else SUBJECTS:
        for runs in RUNS:
            planning.study(subjects, options.folder / f"dag-{subjects}-{runs}", runs, path)
    return pd.read_csv(path, sep="\t")


def memory(options: Options) -> pd.DataFrame:
    """Memory of every rule with few subjects and with more."""
    subjects = (2, 3) if options.quick else study_memory.SUBJECTS
    return study_memory.compare(options.folder / "memory", subjects, 12 if options.quick else 4)


def projection(options: Options) -> pd.DataFrame:
    """HCP-1200's motor task, from the tables that are there."""
    return costs.project(costs.RESULTS if options.quick else options.out)
