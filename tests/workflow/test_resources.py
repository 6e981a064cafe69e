"""What jobs ask for: by the size of their run's image, more at each attempt, up to the caps of a study."""

from types import SimpleNamespace

import pytest

from dca.config import ROOT
from dca.inputs import remote

CONFIG = {
    "cluster": {"max_mem_mb": 3000, "max_runtime_min": 40, "worker_cpus": 3},
    "train": {"workers": 4, "servers": 2},
    "preprocess": {},
}
INPUT = SimpleNamespace(size_mb=7.0)


@pytest.fixture
def define(tmp_path):
    """Functions of the workflow for one run, whose image is called so and has so many bytes."""

    def define(name="x.nii.gz", size=100_000_000, **changes):
        if size:
            with open(tmp_path / name, "wb") as file:
                file.truncate(size)  # takes no disk
        workflow = SimpleNamespace(nodes=None, remote_exec=False, cores=8)
        names = {"config": CONFIG, "workflow": workflow, "NORMALISED": False, "PLAN": None, "remote": remote}
        names["RUNS"] = {"a": SimpleNamespace(bold=tmp_path / name, volumes=100)}
        names |= changes
        source = ROOT / "rules/common/resources.smk"
        exec(compile(source.read_text(), source, "exec"), names)  # it is plain Python
        return SimpleNamespace(**names)

    return define


def test_each_attempt_asks_for_more_up_to_the_cap(define):
    functions, run = define(), {"run_id": "a"}
    memory, minutes = functions.mem_mb(1000, 6), functions.runtime(5, 90)
    assert [memory(run, INPUT, attempt) for attempt in (1, 2, 3, 4)] == [1600, 2400, 3000, 3000]
    assert [minutes(run, INPUT, attempt) for attempt in (1, 2, 3)] == [15, 29, 40]
    assert [functions.mem_mb(1000)(run, INPUT, attempt) for attempt in (1, 2)] == [1000, 1500]


@pytest.mark.parametrize(
    ("name", "size", "megabytes"),
    [("x.nii.gz", 60_000_000, 60), ("x.nii", 60_000_000, 15), ("missing.nii.gz", 0, 0)],
)
def test_a_run_counts_as_its_image_is_when_gzipped(define, name, size, megabytes):
    assert define(name, size).image_mb({"run_id": "a"}, INPUT) == megabytes


def test_a_run_that_will_be_resampled_counts_as_on_the_template_s_grid(define):
    plan = SimpleNamespace(voxel_mm=lambda section: 2)
    resampled = define(size=60_000_000, NORMALISED=True, PLAN=plan).image_mb({"run_id": "a"}, INPUT)
    assert resampled == pytest.approx(99 * 117 * 95 * 100 * 4 / 6 / 1e6)  # float32, gzipped to a sixth


def test_what_is_of_no_run_counts_by_its_files(define):
    assert define().image_mb({}, INPUT) == 7.0


def test_the_training_has_all_cores_here_and_some_for_each_process_on_a_cluster(define):
    def cores(**changes):
        workflow = SimpleNamespace(**{"nodes": None, "remote_exec": False, "cores": 8} | changes)
        return define(workflow=workflow).train_threads({})

    assert (cores(), cores(nodes=10), cores(remote_exec=True)) == (8, 14, 14)
