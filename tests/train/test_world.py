"""Horovod worlds: how often they look for messages, and whom they take in."""

import json
import os
import subprocess
import sys

import pytest

from dca.train.processes.world import Rendezvous, set_cycle

# Forks the processes of each case, as a nursery does, and prints for each: case, rank, what came of it.
MEMBERS = """
import json, os, sys
from dca.errors import DCAError
from dca.train.processes import world
world.preload()
children = []
for name, kind, size, seals, environments in json.loads(sys.argv[1]):
    for rank, (seal, environment) in enumerate(zip(seals, environments)):
        if child := os.fork():
            children.append(child)
            continue
        os.environ.update(environment)
        try:
            own = world.World(size - 1, seal) if kind == "World" else world.Collective(size, seal)
            own.gate() if kind == "World" else own.share(1)
            told = "came up"
            own.close()  # Who only ends may take the other with it.
        except (DCAError, world.PeerLostError) as error:
            told = str(error)
        os.write(1, (json.dumps([name, rank, told]) + "\\n").encode())  # in one piece
        os._exit(0)
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.horovod
@pytest.mark.timeout(200)
@pytest.mark.xdist_group("processes")
def test_a_world_of_strangers_or_of_another_size_is_refused():
    cases, meetings = [], []
    for kind in ("World", "Collective"):
        for name, size, seals in (("own", 2, "aa"), ("stranger", 2, "ab"), ("size", 3, "aa")):
            meetings.append(Rendezvous(2))
            environments = [meetings[-1].environment(rank, 60) for rank in range(2)]
            cases.append((f"{kind} {name}", kind, size, list(seals), environments))
    try:
        done = subprocess.run(
            [sys.executable, "-c", MEMBERS, json.dumps(cases)], capture_output=True, text=True, timeout=180
        )
    finally:
        for meeting in meetings:
            meeting.close()
    told = {(name, rank): text for name, rank, text in map(json.loads, done.stdout.splitlines())}
    assert len(told) == 12, done.stderr[-2000:]
    for kind in ("World", "Collective"):
        assert [told[f"{kind} own", rank] for rank in range(2)] == ["came up"] * 2
        for rank in range(2):
            assert told[f"{kind} size", rank].startswith(
                "train: a world of 2 processes came up instead of 3; look for "
            )
        refused = [told[f"{kind} stranger", rank] for rank in range(2)]
        line = "train: a world came up whose rank {} has not the token of this job; look for "
        # Who says so first ends, and the other may see no more than that.
        assert any(refused[rank].startswith(line.format(1 - rank)) for rank in range(2))
        assert "came up" not in refused


@pytest.mark.parametrize(("processes", "cores", "ms"), [(4, 2, 1), (6, 2, 2.5), (39, 2, 27.2), (39, 64, 1)])
def test_the_more_processes_share_a_core_the_longer_is_a_cycle(monkeypatch, processes, cores, ms):
    monkeypatch.setenv("HOROVOD_CYCLE_TIME", "")  # to be restored
    del os.environ["HOROVOD_CYCLE_TIME"]
    set_cycle(processes, cores)
    assert float(os.environ["HOROVOD_CYCLE_TIME"]) == pytest.approx(ms, rel=0.01)


def test_a_cycle_that_was_set_stays(monkeypatch):
    monkeypatch.setenv("HOROVOD_CYCLE_TIME", "7")
    set_cycle(100, 1)
    assert os.environ["HOROVOD_CYCLE_TIME"] == "7"
