"""What `make test` relies on.

Groups of tests stay together, so that a fixture is made once, and for one cluster. What cannot be run is
said, and where nothing may be left out it fails.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("strict", [False, True])
def test_tests_of_slurm_that_cannot_be_run_say_why(tmp_path, strict):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "sitecustomize.py").write_text("import os\n\nos.getuid = lambda: 1000\n")
    (tmp_path / "test_it.py").write_text("import pytest\n\n@pytest.mark.slurm\ndef test_it():\n    pass\n")
    given = {name: value for name, value in os.environ.items() if name != "DCA_NOTHING_SKIPPED"}
    given |= {"PYTHONPATH": str(tmp_path)} | ({"DCA_NOTHING_SKIPPED": "1"} if strict else {})
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == (1 if strict else 0), done.stdout
    assert "not root" in done.stdout
    assert ("skipped where nothing may be" in done.stdout) == strict
