"""Groups of jobs: the check that stands in for Snakemake's own, and which jobs of one that failed stay."""

import asyncio
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from snakemake.io import temp
from snakemake.jobs import GroupJob
from snakemake.resources import Resources
from snakemake.scheduling.job_scheduler import JobScheduler

from dca.config import ROOT

CHAIN = """
include: "{groups}"

rule all:
    input: "c"

rule a:
    output: "a"
    group: "one"
    shell: "touch a"

rule b:
    input: "a"
    output: "b"
    {between}
    shell: "touch b"

rule c:
    input: "a", "b"
    output: "c"
    group: "one"
    shell: "touch c"
"""


@pytest.mark.workflow
@pytest.mark.parametrize(("between", "good"), [("", False), ('group: "two"', False), ('group: "one"', True)])
def test_a_group_that_needs_itself_through_another_job_is_refused(tmp_path, between, good):
    text = CHAIN.format(groups=ROOT / "rules/common/groups.smk", between=between)
    (tmp_path / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == good, said
    assert good or "group one needs b, which needs the group" in said


# The demo's own, which is no part of a study.
ALONE_BY_DESIGN = {"simulate_subject"}


def test_jobs_of_a_run_a_subject_or_an_image_are_in_groups_of_the_profile():
    """Else a study would be tens of thousands of jobs of a cluster."""
    profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text())
    sizes = dict(entry.split("=") for entry in profile["group-components"])
    ungrouped, named = set(), set()
    for source in (ROOT / "rules").glob("*.smk"):
        for indent, rule, body in re.findall(
            r"^( *)rule (\w+):\n((?:\1 +.*\n|\n)*)", source.read_text(), re.MULTILINE
        ):
            output = body.partition("output:")[2].partition("log:")[0]
            group = re.search(rf"^{indent}    group:\n(.*)", body, re.MULTILINE)
            if group:
                named |= set(re.findall(r'"(\w+)"', group[1]))
            elif re.search(r"{(run_id|subject|anatomy)}", output):
                ungrouped.add(rule)
    assert ungrouped == ALONE_BY_DESIGN
    assert {"preprocess", "anatomy", "report"} <= named <= set(sizes)


@pytest.mark.workflow
def test_the_profile_is_found_by_its_name_from_the_clone(tmp_path):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--profile",
        "slurm",
        "-n",
        "--quiet",
        "--directory",
        tmp_path,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Using profile slurm" in said and f"Snakefile: {ROOT / 'Snakefile'}" in said
    assert not (tmp_path / "results" / "report").exists()


@pytest.fixture
def group_jobs(monkeypatch):
    """What the file of the workflow defines, with caps of 1,000 MB and 10 minutes; undone after the test."""
    for name in ("register", "get_target_spec", "postprocess", "resources"):
        monkeypatch.setattr(GroupJob, name, getattr(GroupJob, name))
    monkeypatch.setattr(JobScheduler, "schedule", JobScheduler.schedule)

    def define(**limits):
        workflow = SimpleNamespace(global_resources=Resources.from_mapping(limits), remote_exec=False)
        names = {"workflow": workflow, "CLUSTER": {"max_mem_mb": 1000, "max_runtime_min": 10}}
        source = ROOT / "rules/common/group_jobs.smk"
        exec(compile(source.read_text(), source, "exec"), names)  # it is plain Python
        return names

    return define


@pytest.fixture
def find_finished(group_jobs):
    """The function of the workflow."""
    names = group_jobs()
    return lambda group: asyncio.run(names["find_finished"](group))


@pytest.fixture
def group(tmp_path):
    """Two chains of three jobs, of which the second makes files that are removed once they were used."""

    class Job(str):
        @property
        def output(self):
            path = str(tmp_path / self)
            return [temp(path) if self.endswith("1") else path]

    class Group(SimpleNamespace):
        def __contains__(self, job):
            return job in self.jobs

    async def incomplete(job):
        return [job for name in under_way if name == job]

    levels = [[Job(f"{run}{level}") for run in "xy"] for level in range(3)]
    depending = {
        job: {f"{job[0]}{int(job[1]) + 1}": set(job.output)} for level in levels[:2] for job in level
    }
    depending |= {job: {} for job in levels[2]}
    under_way = set()
    persistence = SimpleNamespace(_clear_cache=lambda: None, incomplete=incomplete)
    dag = SimpleNamespace(depending=depending, workflow=SimpleNamespace(persistence=persistence))
    jobs = frozenset(job for level in levels for job in level)
    return Group(dag=dag, jobs=jobs, toposorted=levels, submitted=1000, folder=tmp_path, under_way=under_way)


def make(group, *names, time=2000):
    for name in names:
        (group.folder / name).touch()
        os.utime(group.folder / name, (time, time))


def test_of_a_group_that_failed_stays_what_finished(find_finished, group):
    make(group, "x0", "x2", "y0", "y1", "y2")
    group.under_way.add("y2")  # was at work when the job of the cluster was ended
    assert find_finished(group) == {"x0", "x1", "x2", "y0", "y1"}  # x1 was used and is gone
    make(group, "x0", time=999)  # of an earlier call
    assert find_finished(group) == {"x1", "x2", "y0", "y1"}
    (group.folder / "x2").unlink()
    assert find_finished(group) == {"y0", "y1"}


def test_of_a_group_that_failed_with_all_done_the_last_jobs_are_done_again(find_finished, group):
    make(group, "x0", "x1", "x2", "y0", "y2")
    assert find_finished(group) == {"x0", "x1", "y0"}  # y1 has to come back


def test_a_file_that_was_used_may_be_gone_though_another_of_its_job_was_not(find_finished, group):
    """A step makes an image for the next and a record for the summary, and both are temporary."""
    image, record = temp(str(group.folder / "image")), temp(str(group.folder / "record"))

    class Step(str):
        output = (image, record)

    step = Step("x0")
    group.toposorted[0][0] = step
    group.dag.depending[step] = {"x1": {image}, "x2": {record}}
    make(group, "image", "x2", "y0", "y2")
    group.under_way.add("x1")
    assert find_finished(group) >= {"x0", "x2"}
    (group.folder / "image").unlink()
    assert "x0" not in find_finished(group)  # x1 has still to read it


def test_a_link_is_as_old_as_itself_not_as_what_it_leads_to(find_finished, group):
    make(group, "input", time=1)
    (group.folder / "x0").symlink_to(group.folder / "input")
    os.utime(group.folder / "x0", (2000, 2000), follow_symlinks=False)
    assert "x0" in find_finished(group)


class Step(SimpleNamespace):
    """A job of a group, with what it asks for."""

    __hash__ = object.__hash__
    pipe_group = None
    dag = SimpleNamespace(
        workflow=SimpleNamespace(execution_settings=SimpleNamespace(attempt=1), local_exec=False)
    )


@pytest.mark.parametrize(
    ("limits", "widths", "asked"),
    [
        ({}, [3], (900, 2, 3)),  # side by side
        ({}, [4], (900, 4, 3)),  # 1,200 MB would be above the cap: one after the other
        ({}, [3, 3, 3], (900, 6, 3)),
        ({}, [1] * 8, (300, 10, 1)),  # 16 minutes would be
        ({"mem_mb": 700}, [3], (600, 4, 2)),  # less was set by hand
        ({"mem_mb": 5000}, [4], (900, 4, 3)),
        ({"_cores": 2}, [3], (600, 4, 2)),
    ],
)
def test_a_group_asks_for_no_more_than_a_job_may(group_jobs, limits, widths, asked):
    """Levels of so many steps of 300 MB, 2 minutes and 1 core."""
    group_jobs(**limits)
    levels = [[Step(resources={"mem_mb": 300, "runtime": 2, "_cores": 1}) for _ in range(n)] for n in widths]
    group = GroupJob("raw", frozenset(step for level in levels for step in level), Resources({}))
    group.toposorted = levels
    found = group.resources
    assert (found.mem_mb, found.runtime, found._cores) == asked


ALONE = """
CLUSTER = {{"max_mem_mb": 1000, "max_runtime_min": 10}}

include: "{group_jobs}"

rule all:
    input: "a", "b", "c"

rule one:
    output: "{{name}}"
    resources: mem_mb=600
    shell: "mkdir alone && sleep 0.5 && rmdir alone && touch {{output}}"
"""


@pytest.mark.workflow
def test_inside_of_a_job_no_more_runs_at_once_than_the_cap_allows(tmp_path):
    (tmp_path / "Snakefile").write_text(ALONE.format(group_jobs=ROOT / "rules/common/group_jobs.smk"))
    command = [sys.executable, "-m", "snakemake", "-c3", "--mode", "remote"]  # as in a job of the cluster
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
