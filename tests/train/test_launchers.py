"""Workers that launchers start: command lines, hosts, the desk, and whole trainings with real processes."""

import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dca.errors import ConfigError, DependencyError, ToolError
from dca.files import read_tsv
from dca.train import TrainSettings, sync
from dca.train.processes import client, hosts, launchers, network
from dca.train.processes import desk as desks
from dca.train.processes.channel import ChannelClosedError
from dca.train.processes.desk import Desk
from dca.train.processes.hosts import Host
from dca.train.processes.line import Line, is_proof, proof
from dca.train.processes.network import Interface
from dca.train.processes.site import Site

LO = Interface("lo", "127.0.0.1", "127.0.0.0/8")

# Knows the options of srun that are in its manual and used here, and starts the program on this machine.
SRUN = """
import argparse, os, signal, subprocess, sys
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("jobid", "nodes", "ntasks", "nodelist", "cpu-bind", "mpi"):
    parser.add_argument("--" + name)
for name in ("overlap", "unbuffered", "quiet"):
    parser.add_argument("--" + name, action="store_true")
parser.add_argument("program", nargs=argparse.REMAINDER)
told = parser.parse_args()
assert told.jobid == os.environ["SLURM_JOB_ID"] and told.overlap and told.nodes == "1"
assert "SLURM_NTASKS" not in os.environ
copies = int(told.ntasks) * int(os.environ.get("DCA_TEST_COPIES", 1))
environment = {**os.environ, "SLURMD_NODENAME": told.nodelist}
tasks = [subprocess.Popen(told.program, env=environment, start_new_session=True) for _ in range(copies)]
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: [task.kill() for task in tasks])
sys.exit(max(abs(task.wait()) for task in tasks))
"""
SCONTROL = """
import re, sys
assert sys.argv[1:3] == ["show", "hostnames"]
for base, numbers, name in re.findall(r"(\\w+)\\[([\\d,]+)\\]|(\\w+)", sys.argv[3]):
    print("\\n".join(base + number for number in numbers.split(",")) if base else name)
"""
SQUEUE = """
import sys
assert sys.argv[1:] == ["--noheader", "--jobs=7", "--format=%N"]
print("gpu[3,1]")
"""


def processes(test):
    """Mark a test that starts whole jobs."""
    for mark in (pytest.mark.horovod, pytest.mark.timeout(300), pytest.mark.xdist_group("processes")):
        test = mark(test)
    return test


@pytest.fixture
def program(tmp_path):
    """A function that makes a program, and gives back the folder to put on the path."""

    def make(**sources: str) -> str:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, source in sources.items():
            shebang = f"#!{sys.executable}\n" if "import " in source else "#!/bin/sh\n"
            (folder / name).write_text(shebang + source)
            (folder / name).chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    return make


@pytest.fixture
def slurm(program, monkeypatch):
    """A Slurm job of the number 7, of stand-ins; what Snakemake's executor leaves of its environment."""
    path = program(srun=SRUN, scontrol=SCONTROL, squeue=SQUEUE)
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)


# Hosts --------------------------------------------------------------------------------------------


def test_host_files_and_lists(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    file = tmp_path / "hosts"
    file.write_text("# ours\nnode1 slots=2\n\nnode2:3  # the large one\n10.0.0.7\nn-4.lab slots = 1\n")
    expected = [Host("node1", 2), Host("node2", 3), Host("10.0.0.7"), Host("n-4.lab", 1)]
    assert hosts.find(str(file)) == expected
    assert hosts.find(["node1:2", "node2 slots=3", "10.0.0.7", "n-4.lab:1"]) == expected
    assert hosts.find(None) == [Host("localhost")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no host"),
        ("node1 slots=0", "has 'node1 slots=0', which is not a host"),
        ("node1 max", "has 'node1 max', which"),
        ("a\nb\na:2", "names a twice"),
    ],
)
def test_a_bad_host_file_is_named(tmp_path, text, problem):
    file = tmp_path / "hosts"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"hosts: {problem}"):
        hosts.find(str(file))
    with pytest.raises(ConfigError, match="missing cannot be read"):
        hosts.find(str(tmp_path / "missing"))


def test_hosts_of_a_slurm_job(slurm, monkeypatch, program):
    assert hosts.find(None) == [Host("gpu3"), Host("gpu1")]  # squeue knows
    monkeypatch.setenv("SLURM_JOB_NODELIST", "cpu[1,2],login")
    assert hosts.find(None) == [Host("cpu1"), Host("cpu2"), Host("login")]
    with monkeypatch.context() as step:
        step.setenv("SLURM_STEP_ID", "0")  # and the list of nodes is that of the step
        assert hosts.find(None) == [Host("gpu3"), Host("gpu1")]
    assert hosts.find(["node1"]) == [Host("node1")]
    program(scontrol="echo 'Invalid hostlist' >&2; exit 1\n")
    with pytest.raises(ToolError, match=r"scontrol: .*Invalid hostlist.*train\.hosts"):
        hosts.find(None)


def test_workers_are_dealt_in_turn_as_long_as_there_are_slots():
    assert hosts.place(5, [Host("a", 1), Host("b"), Host("c", 2)]) == ("a", "b", "c", "b", "c")
    site = Site("srun", hosts.place(5, [Host("a", 1), Host("b"), Host("c", 2)]), LO)
    assert [site.local_rank(worker) for worker in range(5)] == [0, 0, 0, 1, 1]
    assert site.crowd == 2
    with pytest.raises(ConfigError, match=r"train\.workers: is 4, and the hosts have 3 slots"):
        hosts.place(4, [Host("a", 1), Host("b", 2)])


def test_the_interface():
    assert network.choose(None, ["localhost", socket.gethostname(), "127.0.0.1"]) == LO
    assert network.choose("lo", ["nowhere.invalid"]) == LO
    with pytest.raises(ConfigError, match=r"train\.interface: is 'eth99'.*lo"):
        network.choose("eth99", ["localhost"])
    with pytest.raises(ConfigError, match=r"train\.hosts: has 'nowhere\.invalid', which has no address"):
        network.choose(None, ["nowhere.invalid"])
    assert network.is_this_machine("localhost") and not network.is_this_machine("nowhere.invalid")


def test_what_does_not_fit_is_refused(make_job, monkeypatch, slurm):
    def site(**settings):
        return Site.of(TrainSettings(**settings))

    assert site(workers=3) == Site("local", ("localhost",) * 3, LO)
    assert site(launcher="srun", interface="lo", workers=3) == Site("srun", ("gpu3", "gpu1", "gpu3"), LO)
    with pytest.raises(ConfigError, match=r"train\.hosts: is set, and train\.launcher `local`"):
        site(hosts=["a"])
    with pytest.raises(ConfigError, match=r"train\.launcher.*use local or horovodrun or mpirun or srun"):
        site(launcher="ssh")
    for bad in ([1], 3, {"a": 1}):
        with pytest.raises(ConfigError, match=r"train\.hosts"):
            site(launcher="mpirun", hosts=bad)
    with pytest.raises(ConfigError, match=r"train\.launcher.*`sync`.*train\.mode: downpour"):
        sync.run(make_job(launcher="srun", mode="sync"))
    monkeypatch.delenv("SLURM_JOB_ID")
    with pytest.raises(ConfigError, match="this is not a Slurm job"):
        site(launcher="srun")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DependencyError, match=r"`mpirun`: is not installed; install Open MPI"):
        site(launcher="mpirun")


def test_a_training_that_a_signal_would_end_with_its_script_is_warned_of(slurm, monkeypatch, caplog):
    settings = TrainSettings(launcher="srun", interface="lo")
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    Site.of(settings)
    assert not caplog.records
    monkeypatch.delenv("SLURM_STEP_ID")
    Site.of(settings)
    assert "is no step of its Slurm job" in caplog.text and "leave out `mpi`" in caplog.text


# Command lines ------------------------------------------------------------------------------------


@pytest.mark.horovod
def test_the_command_line_of_horovodrun():
    from horovod.runner.launch import parse_args  # its own

    words = launchers.command("horovodrun", "node1", LO, ["python", "-m", "x", "--flag"])
    assert Path(words[0]).name == "horovodrun"
    sys.argv, earlier = words, sys.argv  # it looks there too
    try:
        told = parse_args()
    finally:
        sys.argv = earlier
    assert (told.num_proc, told.hosts, told.nics) == (1, "node1:1", {"lo"})
    assert told.use_gloo and told.command == ["python", "-m", "x", "--flag"]
    # It puts its whole environment on command lines.
    given = {"PATH": "/bin", "SECRET": "x", "PYTHONPATH": "y", "SLURM_NTASKS": "2", "DCA_TEST": "z"}
    left = launchers.own_environment("horovodrun", "localhost", given)
    assert left.keys() == {"PATH", "PYTHONPATH", "DCA_TEST"}


@pytest.mark.parametrize("launcher", ["horovodrun", "mpirun", "srun"])
def test_which_gpus_to_use_is_told_on_this_machine_only(launcher, monkeypatch):
    given = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_CACHE_PATH": "c"}
    assert launchers.own_environment(launcher, "localhost", given) == given
    assert launchers.own_environment(launcher, "nowhere.invalid", given) == {"CUDA_CACHE_PATH": "c"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert "CUDA_VISIBLE_DEVICES" in launchers.mpirun("localhost", LO)
    assert "CUDA_VISIBLE_DEVICES" not in launchers.mpirun("nowhere.invalid", LO)


@pytest.mark.openmpi
def test_the_command_line_of_mpirun(monkeypatch):
    monkeypatch.setenv("DCA_TEST", "here")
    monkeypatch.setenv("SECRET", "there")
    for name in ("SLURM_JOB_ID", "SLURM_CONF"):
        monkeypatch.delenv(name, raising=False)
    words = launchers.command("mpirun", "localhost", LO, ["sh", "-c", "echo $DCA_TEST $PWD"])
    assert "SECRET" not in words
    made = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert made.stdout == f"here {Path.cwd()}\n"  # once
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert "--overlap --nodes=1 --nodelist=node1" in launchers.command("mpirun", "node1", LO, [])
    left = launchers.own_environment(
        "mpirun", "localhost", {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_CONF": "x"}
    )
    assert left == {"SLURM_JOB_ID": "7", "SLURM_JOBID": "7", "SLURM_CONF": "x"}


def test_the_command_line_of_srun(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    words = launchers.command("srun", "gpu1", LO, ["sh", "-c", "echo $SLURMD_NODENAME"])
    environment = launchers.own_environment("srun", "localhost", os.environ)
    made = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert made.stdout == "gpu1\n"


# The desk -----------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path):
    made = Desk("127.0.0.1", tmp_path)
    yield made
    made.close()
    assert not made.file.exists()


def call(desk: Desk, ticket: str, token: str | None = None) -> Line:
    """Report at the desk as a worker does."""
    word = json.loads(desk.file.read_text())
    line = Line(socket.create_connection((word["address"], word["port"]), 10), 10)
    answer = proof(token or word["token"], "worker", line.hear()["challenge"], ticket)
    line.tell(ticket=ticket, proof=answer, challenge="c")
    return line


def accepted(desk: Desk, ticket: str) -> Line:
    """Report at the desk, and have it prove that it is one."""
    line = call(desk, ticket)
    token = json.loads(desk.file.read_text())["token"]
    assert is_proof(line.hear()["proof"], token, "desk", "c", ticket)
    return line


def until(condition) -> None:
    give_up = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)  # what is looked for may be costly


def test_the_desk_hands_out_an_assignment_once_and_hears_the_end(desk):
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    seat = desk.expect("worker 3", "mpirun", [b"task", b"job"])
    line = accepted(desk, seat.ticket)
    assert (line.receive(), line.receive()) == (b"task", b"job")
    assert (seat.status, seat.error) == (None, None)
    line.tell(kind="error", type="ShardError", content=["a.h5", "is damaged", "make it again"])
    line.tell(kind="end", status=3)
    until(lambda: seat.status == 3)
    assert str(seat.error) == "a.h5: is damaged; make it again"
    broken = desk.expect("worker 4", "mpirun", [])
    line = call(desk, broken.ticket)
    line.close()
    until(lambda: broken.status == 1)


def test_whoever_lacks_the_token_is_refused(desk, caplog, monkeypatch):
    seat = desk.expect("worker 3", "mpirun", [b"secret"])
    with caplog.at_level(logging.WARNING):
        assert "token" in call(desk, seat.ticket, token="0" * 64).hear()["refused"]
    assert "127.0.0.1 without the token of this training was refused" in caplog.text
    word = json.loads(desk.file.read_text())
    for hello in (
        b"{}",
        b"[1]",
        b"\xff",
        b'{"ticket": "1", "challenge": "c", "proof": "\\u00e9"}',
        b"x" * 2000,
    ):
        line = Line(socket.create_connection((word["address"], word["port"]), 10), 10)
        line.hear()
        line.send(hello)
        with pytest.raises(ChannelClosedError):
            while True:
                assert "refused" in line.hear()
    assert "refused" in call(desk, "no such ticket").hear()
    assert seat.arrived == 0
    monkeypatch.setattr(desks, "HELLO_S", 0.1)
    silent = Line(socket.create_connection((word["address"], word["port"]), 10), 10)
    silent.hear()
    with pytest.raises(ChannelClosedError):
        silent.receive()
    assert accepted(desk, seat.ticket).receive() == b"secret"


def test_a_desk_that_has_not_the_token_is_not_believed(desk, tmp_path):
    """Another program may listen at the port by the time that a worker comes up."""
    word = json.loads(desk.file.read_text())
    ticket = desk.expect("worker 3", "mpirun", [b"task"]).ticket
    client.hello(desk.file, ticket).close()
    file = tmp_path / "other"
    file.write_text(json.dumps(word | {"token": "0" * 64}))
    with pytest.raises(client.RefusedError, match="refused by the supervisor: the token is not"):
        client.hello(file, ticket)
    with socket.create_server(("127.0.0.1", 0)) as other:
        file.write_text(json.dumps(word | {"port": other.getsockname()[1]}))

        def answer() -> None:
            line = Line(other.accept()[0], 10)
            line.tell(challenge="c")
            line.tell(proof=line.hear()["proof"])  # what it was told itself

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(client.RefusedError, match="is not the supervisor that sent this worker"):
            client.hello(file, ticket)


def test_a_second_copy_is_refused_and_all_are_counted(desk, monkeypatch):
    monkeypatch.setattr(desks, "SETTLE_S", 0.3)
    seat = desk.expect("worker 3", "mpirun", [b"task"])
    first = accepted(desk, seat.ticket)
    assert first.receive() == b"task"
    others = [accepted(desk, seat.ticket) for _ in range(2)]
    assert all("is there already" in line.hear()["refused"] for line in others)
    until(lambda: seat.error)
    assert str(seat.error).startswith(
        "train.launcher: `mpirun` started 3 processes for worker 3, which is one process; "
    )


def test_a_worker_that_is_given_up_hears_of_it(desk):
    seat = desk.expect("worker 3", "mpirun", [b"task"])
    line = accepted(desk, seat.ticket)
    line.receive()
    threading.Timer(0.1, desk.give_up, [seat]).start()
    with pytest.raises(ChannelClosedError):
        line.receive()
    assert "no longer needed" in call(desk, seat.ticket).hear()["refused"]


def test_a_worker_of_an_earlier_training_does_not_fit_in(tmp_path):
    earlier = Desk("127.0.0.1", tmp_path)
    ticket = earlier.expect("worker 0", "srun", [b"task"]).ticket
    earlier.close()
    later = Desk("127.0.0.1", tmp_path)
    try:
        seat = later.expect("worker 0", "srun", [b"task"])
        assert "no longer needed" in call(later, ticket).hear()["refused"]
        assert seat.arrived == 0
    finally:
        later.close()


# Whole trainings ----------------------------------------------------------------------------------


@processes
@pytest.mark.openmpi
def test_a_lost_worker_of_mpirun_is_replaced_while_the_other_goes_on(
    make_job, start, check_complete, check_nothing_leaks
):
    job = make_job(epochs=15, checkpoint_s=0.1, servers=2, launcher="mpirun", warmup_steps=0)
    running = start(job)
    running.wait_for_update(20)
    assert {"worker 0", "worker 1", "launcher mpirun", "agent 1.1"} <= running.members().keys()
    running.kill("worker 1")
    check_nothing_leaks(running)
    outcome = running.outcome()
    check_complete(job, outcome)
    assert outcome.details["restarts_by_worker"] == [0, 1]
    assert "Worker 1 was lost (worker 1, started by mpirun on localhost, broke off" in running.text
    timeline = read_tsv(job.folder / "timeline.tsv")
    begin, end = timeline[(timeline["worker"] == 1) & (timeline["phase"] == "start-up")].iloc[1][
        ["start_s", "end_s"]
    ]
    computing = timeline[(timeline["worker"] == 0) & (timeline["phase"] == "compute")]
    assert ((computing["start_s"] > begin) & (computing["start_s"] < end)).any()
    assert not (job.folder / desks.FILE).exists()


@processes
def test_the_end_of_a_supervisor_is_that_of_workers_of_horovodrun(make_job, start, check_nothing_leaks):
    running = start(make_job(epochs=40, checkpoint_s=0.1, launcher="horovodrun", workers=1))
    running.wait_for_update(20)
    check_nothing_leaks(running)
    running.kill("supervisor")
    assert "the supervisor of the training ended (SIGKILL)" in running.end()  # and nothing is left


@processes
def test_two_copies_of_a_worker_end_the_job(make_job, start, slurm):
    job = make_job(launcher="srun", interface="lo", workers=1)
    running = start(job, DCA_TEST_COPIES="2")
    last = running.end().strip().splitlines()[-1]
    assert running.process.returncode == 9
    assert "train.launcher: `srun` started 2 processes for worker 0, which is one process; look" in last


@processes
def test_a_launcher_that_starts_nothing_ends_the_job(make_job, start, slurm, program):
    program(srun="echo 'srun: error: Invalid node name' >&2; echo ---- >&2; exit 1\n")
    running = start(make_job(launcher="srun", interface="lo", workers=1))
    last = running.end().strip().splitlines()[-1]
    assert running.process.returncode == 9
    assert "no worker is left" in last
    assert "did not come up (status 1) (srun: error: Invalid node name)" in last


@pytest.fixture
def two_hosts(program):
    """Two connected network namespaces: what enters the first, their addresses, a path to the second."""
    ours, theirs = (f"dca-{os.getpid()}-{i}" for i in "ab")
    here, there = "10.213.7.1", "10.213.7.2"
    commands = f"""
        netns add {ours}
        netns add {theirs}
        -n {ours} link add dca-a type veth peer name dca-b netns {theirs}
        -n {ours} address add {here}/24 dev dca-a
        -n {theirs} address add {there}/24 dev dca-b
        -n {ours} link set dca-a up
        -n {theirs} link set dca-b up
        -n {ours} link set lo up
        -n {theirs} link set lo up
    """
    # As ssh, but for what is on the other side: the second namespace, under another host name.
    options = 'while :; do case "$1" in -[op]) shift 2;; -*) shift;; *) break;; esac; done\n'
    remote = f'exec ip netns exec {theirs} unshare --uts sh -c "hostname other; $*"\n'
    try:
        for command in filter(None, map(str.split, commands.splitlines())):
            subprocess.run(["ip", *command], check=True)
        yield ["ip", "netns", "exec", ours], [here, there], program(ssh=f"{options}shift\n{options}{remote}")
    finally:
        for name in (ours, theirs):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@processes
@pytest.mark.openmpi
@pytest.mark.namespaces
@pytest.mark.parametrize("launcher", ["mpirun", "horovodrun"])
def test_a_training_over_two_hosts(make_job, start, check_complete, two_hosts, launcher):
    prefix, addresses, path = two_hosts
    job = make_job(epochs=10, launcher=launcher, hosts=addresses)
    running = start(job, prefix=prefix, PATH=path)
    seen: dict[str, Path] = {}

    def all_seen() -> bool:
        assert running.process.poll() is None, running.end()
        for role, pid in running.members().items():
            with suppress(OSError):
                seen[role] = Path(f"/proc/{pid}/ns/net").readlink()
        return {"server 0", "worker 0", "worker 1"} <= seen.keys()

    until(all_seen)
    assert seen["worker 0"] == seen["server 0"] != seen["worker 1"]
    check_complete(job, running.outcome())
    assert running.outcome().details["restarts_by_worker"] == [0, 0]
