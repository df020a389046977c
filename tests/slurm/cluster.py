"""A real Slurm on one machine: Debian's slurm-wlm and munge, without systemd, a slurmd on each of the hosts of hosts.py."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))
from hosts import ROOT

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"]  # of slurm-wlm and munge

# Short times where Slurm's own are minutes: a requeued job is eligible again when its credential has expired, a node is
# down when its slurmd has been silent for SlurmdTimeout.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost=n0({controller})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=/tmp/munge.sock,cred_expire=5
CredType=cred/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdSpoolDir=/tmp/slurmd.spool
StateSaveLocation={folder}/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=6
KillWait=2
MinJobAge=600
MessageTimeout=10
"""


class Cluster:
    """with Cluster(hosts) as slurm: slurm.submit(...)"""

    def __init__(self, hosts, cpus=4):
        self.hosts, self.cpus = hosts, cpus
        self.folder = hosts.folder / "slurm"
        self.nodes = hosts.names[1:]

    def __enter__(self):
        (self.folder / "state").mkdir(parents=True)
        (self.folder / "key").write_bytes(os.urandom(128))
        conf = CONFIGURATION.format(folder=self.folder, controller=self.hosts.address("n0"))
        for node in self.nodes:
            conf += f"NodeName={node} NodeAddr={self.hosts.address(node)} CPUs={self.cpus} RealMemory=4000 State=UNKNOWN\n"
        conf += f"PartitionName=main Nodes={','.join(self.nodes)} Default=YES MaxTime=60 State=UP\n"
        (self.folder / "slurm.conf").write_text(conf)
        for host in self.hosts.names:
            self.hosts.check(host, "mkdir -p /tmp/slurmd.spool /tmp/munge && chmod 755 /tmp/munge"
                             f" && cp {self.folder}/key /tmp/munge/key && chmod 600 /tmp/munge/key && munged --force"
                             " --key-file=/tmp/munge/key --socket=/tmp/munge.sock --pid-file=/tmp/munge/pid"
                             " --log-file=/tmp/munge/log --seed-file=/tmp/munge/seed --num-threads=2")
        self.hosts.check("n0", f"slurmctld -f {self.folder}/slurm.conf")
        for node in self.nodes:
            self.hosts.check(node, f"slurmd -f {self.folder}/slurm.conf")
        end = time.monotonic() + 120
        while self.sh("sinfo -h -t idle -o %D").strip() != str(len(self.nodes)):
            assert time.monotonic() < end, f"Slurm did not start: {self.sh('sinfo')}{self.logs()}"
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        pass  # all processes go with the world of hosts.py

    def logs(self):
        return "".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.glob("*.log")))

    def environment(self, **extra):
        """What a user's shell on the login node has: no settings of ours but those given."""
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return env | {"SLURM_CONF": str(self.folder / "slurm.conf")} | {name: str(value) for name, value in extra.items()}

    def run(self, *words, timeout=300, **extra):
        return self.hosts.run("n0", *words, env=self.environment(**extra), timeout=timeout)

    def sh(self, line):
        return self.run("sh", "-c", line).stdout

    def submit(self, *words, **extra):
        """sbatch launch/slurm.sbatch: `words` are sbatch's options, the script's name is put before the first that
        is none. Returns the job's number."""
        first = next(i for i, word in enumerate(words) if not str(word).startswith("-"))
        done = self.run("sbatch", "--parsable", *words[:first], ROOT / "launch" / "slurm.sbatch", *words[first:], **extra)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def job(self, number):
        """What scontrol knows of a job, name by name."""
        text = self.sh(f"scontrol -o show job {number}")
        return dict(re.findall(r"(\S+?)=(\S*)", text))

    def wait(self, number, condition, timeout, what):
        end = time.monotonic() + timeout
        while True:
            job = self.job(number)
            if job and condition(job):
                return job
            assert time.monotonic() < end, f"job {number}: waited {timeout} s in vain: {what}: {job}\n{self.log(number)}"
            time.sleep(0.3)

    def ended(self, number, timeout=300):
        """Waits for the job's end; returns (its record, exit code of its script, its log)."""
        over = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY")
        job = self.wait(number, lambda job: job["JobState"] in over, timeout, "its end")
        return job, int(job["ExitCode"].split(":")[0]), self.log(number)

    def log(self, number):
        file = self.hosts.shared / f"mpira-{number}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @staticmethod
    def missing():
        return [name for name in PROGRAMS if shutil.which(name) is None]
