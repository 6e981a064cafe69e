# What Snakemake 9 works out anew for every job, though it is the same for all jobs of a rule, is worked out once:
# it takes much of the time that planning a large study does (docs/cluster.md).
import functools
import gc

from snakemake import common as snakemake_common
from snakemake import dag as snakemake_dag
from snakemake import jobs as snakemake_jobs
from snakemake import rules as snakemake_rules

_check_script = snakemake_dag.ScriptProcessor.process_job
_fmt_iofile = snakemake_jobs.fmt_iofile
CHECKED_SCRIPTS = set()


def check_script(processor, job):
    """Whether a rule's script is there: no name of a script here depends on a job's wildcards."""
    place = (processor.script_type, job.rule.name)
    if place not in CHECKED_SCRIPTS:
        _check_script(processor, job)
        CHECKED_SCRIPTS.add(place)


def fmt_iofile(file, **role):
    """A file as it is printed: by its name, if nothing is marked about it that would be said with it."""
    return _fmt_iofile(file, **role) if getattr(file, "flags", None) else str(file)


# Parameters of an input or resource function.
snakemake_common.get_function_params = functools.cache(snakemake_common.get_function_params)
snakemake_rules.get_function_params = snakemake_common.get_function_params
snakemake_dag.ScriptProcessor.process_job = check_script
snakemake_jobs.fmt_iofile = fmt_iofile

# All that a plan consists of stays until the end: Python need not look again and again whether it is garbage.
# What is soon given up is found by its two younger generations.
gc.set_threshold(700, 10, 1000)
