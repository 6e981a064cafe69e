# Jobs of one run share a job of the cluster: `group:` in the rules, group-components in slurm/config.yaml.
#
# A group must not need itself through a job outside of it. Snakemake 9 looks for that by walking to all
# ancestors of every job of a group once for each of its jobs, and after the training the ancestors of each
# run are all runs: minutes for 150 subjects, hours for 1,200. This finds the same by sorting once.
from graphlib import CycleError, TopologicalSorter

from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError


def refuse_cycles(dag):
    """Raise an error if a group needs a job that needs the group."""
    groups = {id(group): group for group in dag._group.values()}
    place = {job: id(group) for job, group in dag._group.items()}
    sorter = TopologicalSorter()
    for job, needs in dag._dependencies.items():
        node = place.get(job, job)
        sorter.add(node, *(other for other in (place.get(need, need) for need in needs) if other != node))
    try:
        sorter.prepare()
    except CycleError as error:
        circle = error.args[1]  # each needed by the next
        first = next(index for index, node in enumerate(circle) if node in groups)
        group, user = groups[circle[first]], [*circle, circle[1]][first + 1]
        job = next(
            job for job in groups.get(user, [user]) if any(need in group for need in dag._dependencies[job])
        )
        raise WorkflowError(f"group {group.groupid} needs {job.rule.name}, which needs the group") from None


def check_groups(dag):
    """Look at all groups, once they are joined: for cycles, and for what their jobs need of one another."""
    refuse_cycles(dag)
    dag.needs_inside = {
        job: sum(need in group.jobs for need in dag._dependencies[job]) for job, group in dag._group.items()
    }


def is_ready(dag, job):
    """Whether a job, or a group with all of its jobs, waits for nothing else.

    Snakemake asks this several times for every job of a group.
    """
    group = dag._group.get(job)
    if group is None:
        return dag._n_until_ready[job] == 0
    return all(dag._n_until_ready[member] == dag.needs_inside[member] for member in group.jobs)


DAG._check_groups = check_groups
DAG._ready = is_ready
DAG.validate_group = lambda dag, group: None  # the same for single groups, before they are joined


def setup_group(wildcards):
    """The group of jobs that a decomposition belongs to: one before the training, one after it."""
    return "raw" if wildcards.setup == "raw" else "dca"
