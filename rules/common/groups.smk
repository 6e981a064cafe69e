# Jobs of one run share a job of the cluster: `group:` in the rules, group-components in slurm/config.yaml.
#
# A group must not need itself through a job outside of it. Snakemake 9 looks for that by walking to all
# ancestors of every job of a group once for each of its jobs, and after the training the ancestors of each
# run are all runs: minutes for 150 subjects, hours for 1,200. This finds the same with one walk per group.
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError


def refuse_cycles(dag):
    """Raise an error if a group needs a job that needs the group."""
    for group in set(dag._group.values()):
        outside = {need for job in group for need in dag._dependencies[job] if need not in group}
        seen, ahead = set(outside), list(outside)
        while ahead:
            job = ahead.pop()
            for need in dag._dependencies[job]:
                if need in group:
                    raise WorkflowError(f"group {group.groupid} needs {job.rule.name}, which needs the group")
                if need not in seen:
                    seen.add(need)
                    ahead.append(need)


DAG._check_groups = refuse_cycles
DAG.validate_group = lambda dag, group: None  # the same for single groups, before they are joined


def setup_group(wildcards):
    """The group of jobs that a decomposition belongs to: one before the training, one after it."""
    return "raw" if wildcards.setup == "raw" else "dca"
