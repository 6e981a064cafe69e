import os
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from dca.train.downpour import servers as servers_module
from dca.train.downpour.parameters import Limits
from dca.train.downpour.servers import Servers
from dca.train.downpour.state import ServerState
from dca.train.processes.channel import Channel, ChannelClosedError
from dca.train.processes.shared import SharedVector


@pytest.fixture
def tasks():
    """What the servers are told."""
    return []


@pytest.fixture
def server_end(tasks):
    """The servers of a job without a process, and the channel that is its only server's end."""
    ends = []

    def start(role, module, fds, task):
        tasks.append(task)
        ends.append(Channel(os.dup(fds["supervisor"])))
        return SimpleNamespace(role=role, status=None)

    vector = SharedVector.create("state", 4)
    settings = SimpleNamespace(
        servers=1, optimizer="sgd", learning_rate=0.1, ramp_steps=0, compression="none", max_steps=90,
        max_staleness=7, warmup_loss=2.5,
    )  # fmt: skip
    job = SimpleNamespace(settings=settings, cores=1)
    start_of_it = SimpleNamespace(
        length=4, state=ServerState(), vector=vector, snapshot=vector, warmup_steps=30
    )
    nursery = SimpleNamespace(start=start, attend=lambda: None, end=lambda children: None)
    yield Servers(job, start_of_it, nursery), ends[0]
    ends[0].close()
    vector.close()


def test_a_server_is_told_all_limits(server_end, tasks):
    expected = Limits(max_updates=90, max_staleness=7, warmup_steps=30, warmup_loss=2.5)
    assert Limits(**tasks[0]["limits"]) == expected


def test_messages_that_never_cease_do_not_keep_the_supervisor_from_the_rest(server_end):
    servers, end = server_end
    ceased = threading.Event()

    def tell():
        with suppress(ChannelClosedError):
            while not ceased.is_set():
                end.send({"kind": "update"})

    thread = threading.Thread(target=tell)
    thread.start()
    begin = time.monotonic()
    try:
        for _ in servers.listen(0.05):
            time.sleep(0.001)
            if time.monotonic() > begin + 5:
                ceased.set()  # else this test would not end either
        assert not ceased.is_set()
    finally:
        ceased.set()
        for _ in servers.listen(1):
            pass
        thread.join()


def test_a_server_that_stands_still_is_lost_and_one_that_answers_is_not(server_end, monkeypatch):
    monkeypatch.setattr(servers_module, "PING_S", 0.01)
    monkeypatch.setattr(servers_module, "SILENCE_S", 0.05)
    servers, end = server_end
    for _ in range(3):
        time.sleep(0.02)
        servers.watch()
        assert end.receive()[0] == {"kind": "ping"}
        end.send({"kind": "pong"})
        assert list(servers.listen(0)) == []
    time.sleep(0.02)
    servers.watch()  # pings; nobody answers
    time.sleep(0.1)
    with pytest.raises(ChannelClosedError):
        servers.watch()
    assert servers.why_lost() == "server 0 does not answer"


def test_what_a_suspended_job_slept_is_not_held_against_a_server(server_end, monkeypatch):
    monkeypatch.setattr(servers_module, "PING_S", 0.01)
    servers, end = server_end
    time.sleep(0.02)
    servers.watch()
    assert end.receive()[0] == {"kind": "ping"}
    servers._since_ping._looked -= 10 * servers_module.SILENCE_S
    servers.watch()
