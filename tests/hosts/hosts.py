"""Several "hosts" on one machine: Linux namespaces, each with its own network, host name, process numbers, /tmp and /dev/shm.

n0 is where launchers and controllers run; it shares the caller's process numbers. n1, n2, ... compute. They meet on one
bridge inside n0's network namespace, so nothing is added to the machine's own. Needs root (or what a container gives of
it) and iproute2. in_a_world_of_its_own() makes sure that nothing outlives the test, however that ends.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CANNOT = 77  # exit code: this machine can't have such hosts
NAMESPACES = ["--mount", "--uts", "--net", "--ipc", "--pid"]


def in_a_world_of_its_own():
    """Starts this script again as process 1 of a process namespace: when it ends, the kernel kills all it has started."""
    if os.environ.get("MPIRA_OWN_WORLD") == str(os.getpid()) == "1":
        return
    tried = subprocess.run(["unshare", *NAMESPACES, "--fork", "--mount-proc", "ip", "link"], capture_output=True, text=True, check=False) \
        if shutil.which("ip") else None
    if tried is None or tried.returncode != 0:
        why = "the program ip (iproute2) is missing" if tried is None else tried.stderr.strip()
        print(f"{sys.argv[0]}: NOT RUN: no hosts can be made of namespaces here: {why}", flush=True)
        sys.exit(CANNOT)
    os.environ["MPIRA_OWN_WORLD"] = "1"
    os.execvp("unshare", ["unshare", "--pid", "--mount", "--fork", "--kill-child=KILL", "--mount-proc",
                          sys.executable, *sys.argv])


class Hosts:
    """with Hosts(4) as hosts: hosts.run("n1", "hostname")"""

    def __init__(self, count):
        self.names = [f"n{i}" for i in range(count + 1)]
        # Not under /tmp: each host has its own. What all hosts share: this folder, and the rest of the disk.
        self.folder = Path(tempfile.mkdtemp(prefix="mpira-hosts-", dir="/var/tmp"))
        self.shared = self.folder / "shared"
        self.pids = {}
        self.holders = []

    def __enter__(self):
        self.shared.mkdir()
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n" +
                                           "".join(f"{self.address(name)} {name}\n" for name in self.names))
        for name in self.names:
            self._make(name)
        self.check("n0", "ip link add br0 type bridge")
        self.check("n0", f"ip addr add {self.address('n0')}/24 dev br0 && ip link set br0 up")
        for name in self.names[1:]:
            self.check("n0", f"ip link add v-{name} type veth peer name eth0 netns {self.pids[name]}")
            self.check("n0", f"ip link set v-{name} master br0 up")
            self.check(name, f"ip addr add {self.address(name)}/24 dev eth0 && ip link set eth0 up")
        return self

    def __exit__(self, *_):
        for holder in self.holders:
            holder.kill()
            holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def address(name):
        return f"10.77.0.{10 + int(name[1:])}"

    def _make(self, name):
        own = self.folder / name / "tmp"
        own.mkdir(parents=True)
        own.chmod(0o1777)
        keep = ""
        if str(ROOT).startswith("/tmp/"):  # the hosts' own /tmp would hide this checkout
            (own / ROOT.relative_to("/tmp")).mkdir(parents=True)
            keep = f"mount --rbind {ROOT} {own / ROOT.relative_to('/tmp')}; "
        # n0 stays among our process numbers: the launch agent looks the others up from there.
        flags = [flag for flag in NAMESPACES if name != "n0" or flag != "--pid"]
        proc = "" if name == "n0" else "mount -t proc proc /proc; "
        script = (f"set -e; hostname {name}; {proc}mount -t tmpfs tmpfs /dev/shm; {keep}mount --rbind {own} /tmp; "
                  f"mount --bind {self.folder}/hosts /etc/hosts; ip link set lo up; exec sleep infinity")
        with open(self.folder / f"{name}.log", "wb") as log:
            holder = subprocess.Popen(["unshare", *flags, "--fork", "--kill-child=KILL", "--propagation", "private", "sh", "-c", script],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.holders.append(holder)
        end = time.monotonic() + 10
        while True:
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/comm").read_text() == "sleep\n":
                break
            if holder.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"host {name} did not start: {(self.folder / f'{name}.log').read_text()}")
            time.sleep(0.01)
        self.pids[name] = int(children[0])
        (self.folder / f"{name}.pid").write_text(children[0])

    def words(self, name, *words):
        """The command line that runs these words on a host."""
        own_pids = [] if name == "n0" else ["--pid"]
        return ["nsenter", "--target", str(self.pids[name]), "--mount", "--uts", "--net", "--ipc", *own_pids,
                f"--wd={self.shared}", "--", *map(str, words)]

    def run(self, name, *words, timeout=60, **options):
        """Runs it to its end; returns what subprocess.run does, output as text."""
        return subprocess.run(self.words(name, *words), capture_output=True, text=True, timeout=timeout, check=False, **options)

    def check(self, name, line, **options):
        """A shell line that must end well; returns what it printed."""
        done = self.run(name, "sh", "-c", line, **options)
        assert done.returncode == 0, f"{name}: {line}: exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, name, *words, **options):
        """Starts it in the background, in a session of its own."""
        return subprocess.Popen(self.words(name, *words), stdin=subprocess.DEVNULL, start_new_session=True, text=True, **options)

    def cut_off(self, name):
        """Pulls the plug of its network: no packet, no goodbye. All its processes go on."""
        self.check("n0", f"ip link delete v-{name}")

    def power_off(self, name):
        """All its processes are gone at once. Its disk is the others' too, and stays."""
        os.kill(self.pids[name], 9)
