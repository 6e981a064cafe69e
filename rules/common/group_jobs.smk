# Groups of jobs as a job of the cluster: what they ask for, and what stays if one of their jobs fails.
#
# Of a group that failed Snakemake 9 removes all that it made, and submits all of it again. Here the jobs of it
# that finished stay so, and the next attempt has the others alone. A job finished if the Snakemake inside
# of the cluster's job took its mark of being under way away (it removes the files of one that failed) and
# all its files are younger than the submission. A file that is `temp()` may be gone again once all jobs of
# the group that need it finished.
from pathlib import Path

from snakemake.io import is_flagged
from snakemake.jobs import GroupJob
from snakemake.resources import Resources
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake_interface_executor_plugins.utils import TargetSpec

_schedule = JobScheduler.schedule
_postprocess, _resources = GroupJob.postprocess, GroupJob.resources.fget

# Of all that a group runs at once; `--resources mem_mb=N` may set less.
LIMITS = Resources(dict(workflow.global_resources))
LIMITS["mem_mb"] = min(filter(None, (LIMITS.get("mem_mb").value, CLUSTER["max_mem_mb"])))
if workflow.remote_exec:
    workflow.register_resource("mem_mb", LIMITS["mem_mb"])


def schedule(scheduler):
    """Inside of the cluster's job: one that fails does not keep the others from being started."""
    scheduler.keepgoing |= workflow.remote_exec
    return _schedule(scheduler)


def finished(group):
    """Jobs of the group that finished in an earlier attempt."""
    return getattr(group, "finished", frozenset())


def register(group, external_jobid=None):
    """Mark the files of the jobs that are submitted as under way, and note when that was."""
    jobs = [job for job in group.jobs if job not in finished(group)]
    for job in jobs:
        job.register(external_jobid=external_jobid)
    # By the clock of the file system, as the files' own times are.
    persistence = group.dag.workflow.persistence
    file = next(file for job in jobs for file in job.output)
    group.submitted = persistence._get_recorded_starttime(persistence._get_key(file))


def target_spec(group):
    """What is submitted: the jobs that did not finish before."""
    return [TargetSpec(job.rule.name, job.wildcards_dict) for job in group.jobs if job not in finished(group)]


async def postprocess(group, error=False, **settings):
    """Let stay, after an error, what finished; all else as Snakemake does it."""
    if not error or not hasattr(group, "submitted"):
        return await _postprocess(group, error=error, **settings)
    group.finished = await find_finished(group)
    for level in group.toposorted:
        for job in level:
            settings["ignore_missing_output"] = [file for file in job.output if is_flagged(file, "temp")]
            await job.postprocess(error=job not in group.finished, check_output_mtime=False, **settings)


async def find_finished(group, but=frozenset()):
    """Jobs of a group that failed which finished all the same; never all, for there is something to submit."""
    persistence, found = group.dag.workflow.persistence, set(finished(group)) - but
    persistence._clear_cache()
    for level in reversed(group.toposorted):
        for job in set(level) - but:
            users = {user: needed for user, needed in group.dag.depending[job].items() if user in group}
            files = [file for file in job.output if not passed_on(file, users, found)]
            under_way = await persistence.incomplete(job)
            if not under_way and all(made_since(file, group.submitted) for file in files):
                found.add(job)
    if len(found) == len(group.jobs):
        return await find_finished(group, but=frozenset(group.toposorted[-1]))
    return frozenset(found)


def passed_on(file, users, found):
    """Whether a file may be gone: it is `temp()`, and all jobs of the group that need it finished."""
    needing = {user for user, needed in users.items() if file in needed}
    return is_flagged(file, "temp") and bool(needing) and needing <= found


def made_since(file, time):
    """Whether a file is there and not older than a time."""
    # Of a link itself (backend `none`): what it leads to is the input, and old.
    return Path(file).exists() and Path(file).lstat().st_mtime >= time


def resources(group):
    """What a group asks for: no more memory at once, and no more time, than a job may."""
    if group._resources is None:
        group.global_resources = LIMITS
        _resources(group)
        if "runtime" in group._resources:
            group._resources["runtime"] = min(group._resources["runtime"], CLUSTER["max_runtime_min"])
    return _resources(group)


JobScheduler.schedule = schedule
GroupJob.register = register
GroupJob.get_target_spec = target_spec
GroupJob.postprocess = postprocess
GroupJob.resources = property(resources)
