"""A Slurm cluster of four nodes on this machine: real daemons, in one folder, on the loopback interface.

Its nodes have a network of their own, where that may be made, with that interface alone: no Internet. Jobs
get next to nothing of the login node's environment: no virtual environment, nothing that a user exported.
"""

import ctypes
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
CPUS, MEMORY_MB = 8, 16000  # of each node, as Slurm believes
NODES = {"cpu1": "", "cpu2": "", "gpu1": "/dev/null", "gpu2": "/dev/zero"}  # name -> what stands for its GPU
DOCUMENTED = "192.0.2.1"  # of nobody: for documentation
# The step plugin of Snakemake takes SLURM_CONF out of the environment of jobs, so that a cluster whose
# configuration is not in /etc is lost to them: these give it back.
WRAPPED = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr", "sshare")

CONFIGURATION = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
# Without these the daemons listen on all interfaces.
CommunicationParameters=NoAddrCache,NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
# Without cgroups: a process that left its group would be lost to Slurm.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1,sched_min_interval=0
# A job that takes more memory than it asked for is ended, as cgroups would.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
# No accounting: what squeue says of ended jobs is all that Snakemake has to go by.
MinJobAge=600
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout={node_timeout}
InactiveLimit=0
KillWait=20
UnkillableStepTimeout=10
MessageTimeout=10
TCPTimeout=5
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
GresTypes=gpu
"""
PARTITIONS = """
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=gpu1,gpu2 MaxTime=INFINITE State=UP PriorityTier=1
# Jobs here take the nodes from those there, which get a SIGTERM, time for a checkpoint, and another turn.
PartitionName=urgent Nodes=gpu1,gpu2 MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
# Snakemake asks ten seconds later each time that no job has ended, up to three minutes: here each second.
# That is for the Snakemake that a user starts, not for those of jobs.
OFTEN = """
import sys

if "snakemake" in sys.orig_argv and "--profile" in sys.orig_argv:
    from snakemake_executor_plugin_slurm import Executor

    Executor.next_seconds_between_status_checks = property(lambda self: 1.0, lambda self, seconds: None)
"""


class Lab:
    """The cluster. `start` and `stop` it; `environment` is that of a shell on its login node."""

    def __init__(self, node_timeout_s=30):
        self.folder = Path(tempfile.mkdtemp(prefix="dca-slurm-", dir="/tmp"))  # sockets need a short path
        self.configuration = self.folder / "etc" / "slurm.conf"
        self.daemons, self.network = {}, None
        self._node_timeout_s = node_timeout_s

    @property
    def environment(self):
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        python = os.pathsep.join(filter(None, (str(self.folder / "python"), os.environ.get("PYTHONPATH"))))
        return {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": path, "PYTHONPATH": python}

    def start(self):
        self._isolate()
        self._configure()
        munged = ["munged", "--foreground", "--force", "--num-threads=2"]
        files = {"key-file": "etc/munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        files |= {"log-file": "munged.log", "seed-file": "munged.seed"}
        self._daemon("munged", *munged, *(f"--{name}={self.folder / path}" for name, path in files.items()))
        self.wait(lambda: (self.folder / "munge.socket").exists(), "munged")
        self._daemon("slurmctld", "slurmctld", "-D", "-i", "-f", str(self.configuration))
        for node in NODES:
            self.start_node(node)
        self.wait(lambda: self.states() == dict.fromkeys(NODES, "idle"), "the nodes")

    def stop(self):
        """End all jobs, daemons and whatever processes jobs left."""
        if "slurmctld" in self.daemons:
            self.run("scancel", "--user=root", check=False)
            self.wait(lambda: not self.jobs(), "the end of all jobs", 60)
        for name in reversed(self.daemons):
            self.daemons[name].terminate()
        for process in self.daemons.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        for number in self.processes():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        shutil.rmtree(self.folder)

    def start_node(self, node):
        self._daemon(node, "slurmd", "-D", "-N", node, "-f", str(self.configuration))

    def kill_node(self, node):
        """Kill a node's daemon; its jobs' processes run on, as when only the network is lost."""
        process = self.daemons.pop(node)
        process.kill()
        process.wait()

    def run(self, *command, check=True):
        done = self.run_anyway(*command)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def run_anyway(self, *command):
        """Run a command on the login node, however it ends."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)

    def jobs(self, *options):
        """Jobs that wait or run: one dictionary each."""
        names = ("id", "state", "comment", "folder")
        lines = self.run("squeue", "-h", "-o", "%i|%T|%k|%Z", *options, check=False).splitlines()
        return [dict(zip(names, line.split("|"), strict=True)) for line in lines]

    def job(self, number):
        """What scontrol knows of a job, ended ones too."""
        words = self.run("scontrol", "-o", "show", "job", str(number)).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def steps(self, node, number):
        """Steps of a job that a node has started, ended ones too, but for the job's own script."""
        told = re.findall(rf"launch task StepId={number}\.(\d+) ", (self.folder / f"{node}.log").read_text())
        return set(map(int, told))

    def states(self):
        lines = self.run("sinfo", "-h", "-N", "-o", "%N %t", check=False).splitlines()
        return dict(line.split() for line in lines)

    def processes(self):
        """Processes of jobs, those that Slurm has lost sight of included: number -> name."""
        daemons, mark = {p.pid for p in self.daemons.values()}, f"SLURM_CONF={self.configuration}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) not in daemons | {os.getpid()}:
                try:
                    name, inherited = (entry / "comm").read_text().strip(), (entry / "environ").read_bytes()
                except OSError:
                    continue
                if mark in inherited and name not in ("slurmscriptd", "slurmctld"):  # slurmctld's child
                    found[int(entry.name)] = name
        return found

    def wait(self, condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no sign of {what}\n{self.processes()}\n{self.last_words()}"
            time.sleep(0.2)

    def last_words(self):
        """The ends of the daemons' logs."""
        logs = [log for log in sorted(self.folder.glob("*.log")) if log.stem != "munged"]
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-800:]}" for log in logs)

    def _configure(self):
        for name in ("etc", "state", "bin", "python", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "etc" / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        (self.folder / "etc").chmod(0o700)
        self.folder.chmod(0o755)
        host, ports = socket.gethostname().split(".")[0], free_ports(len(NODES) + 1)
        text = CONFIGURATION.format(
            host=host, port=ports[0], folder=self.folder, node_timeout=self._node_timeout_s
        )
        for node, port in zip(NODES, ports[1:], strict=True):
            gres = " Gres=gpu:1" if NODES[node] else ""
            text += f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
            text += f" CPUs={CPUS} RealMemory={MEMORY_MB}{gres} State=UNKNOWN\n"
        self.configuration.write_text(text + PARTITIONS)
        devices = [f"NodeName={node} Name=gpu File={file}" for node, file in NODES.items() if file]
        (self.folder / "etc" / "gres.conf").write_text("\n".join(["AutoDetect=off", *devices, ""]))
        (self.folder / "etc" / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        (self.folder / "python" / "sitecustomize.py").write_text(OFTEN)
        for name in WRAPPED:
            if real := shutil.which(name):
                wrapper = self.folder / "bin" / name
                bare = self._bare() if name == "sbatch" else []
                command = " ".join([*bare, *self._within(), real])
                wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {command} "$@"\n')
                wrapper.chmod(0o755)

    def _isolate(self):
        """Make the nodes' network, which lasts as long as a process in it."""
        # Daemons look up the machine's name, for which 127.0.0.1 alone is not enough, and may listen there.
        address = socket.gethostbyname(socket.gethostname())
        address = DOCUMENTED if address.startswith("127.") else address
        script = f"ip link set lo up && ip address add {address}/32 dev lo && echo up && exec sleep infinity"
        process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, text=True, start_new_session=True, preexec_fn=end_with_parent,
        )  # fmt: skip
        if process.stdout.readline():
            self.daemons["network"] = self.network = process

    def _within(self):
        """What starts a command in the nodes' network."""
        return ["nsenter", f"--net=/proc/{self.network.pid}/ns/net"] if self.network else []

    def _bare(self):
        """What starts `sbatch` with no more than a login gives; jobs get what it has."""
        kept = {"PATH": f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
        kept["SLURM_CONF"] = str(self.configuration)
        # PYTHONPATH: which clone is tried, where it is not the one that is installed.
        kept |= {k: os.environ[k] for k in ("HOME", "USER", "PYTHONPATH") if k in os.environ}
        return ["env", "-i", *(shlex.quote(f"{name}={value}") for name, value in kept.items())]

    def _daemon(self, name, *command):
        command = [*self._within(), *command]
        with open(self.folder / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=end_with_parent,
            )  # fmt: skip


def end_with_parent():
    """Have the kernel end this process when the one that started it is gone, however that went."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
