"""What `make test` relies on to make a fixture once, and for one cluster: groups of tests stay together."""

import subprocess
import sys

TESTS = """
import pathlib
import pytest

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("i", range(6))
def test_one(i, worker_id):
    with open(pathlib.Path(__file__).parent / "workers", "a") as file:
        file.write(worker_id + "\\n")

@pytest.mark.parametrize("i", range(6))
def test_other(i):
    pass
"""


def test_a_group_runs_in_one_process(tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder"]
    done = subprocess.run([*command, "test_it.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    workers = (tmp_path / "workers").read_text().split()
    assert len(workers) == 6 and len(set(workers)) == 1


def test_no_slow_test_begins_before_a_quick_one(request):
    own = request.session.items.index(request.node)
    assert not any(item.get_closest_marker("workflow") for item in request.session.items[: own + 1])
