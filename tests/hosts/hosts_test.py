"""mpira on four hosts under mpirun over TCP: a host cut off or switched off in the middle, a rank that throws or dies, and
another user who reads along. The hosts are namespaces of this machine (hosts.py). Started by tests/hosts/run.
"""

import os
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path

from hosts import HERE, ROOT, Hosts, in_a_world_of_its_own

sys.path.insert(0, str(ROOT / "tests" / "python"))
import mpira_test
from mpira_test import MPIRA, assert_equal_results, done_units, mpira, status, wait_until

LEAVING = Path(MPIRA).parents[1] / "tests" / "comm_leaving"  # tests/comm/leaving.cpp
SMALL = ["--set", "rows=4000", "--set", "columns=5", "--set", "rows_per_unit=10", "--set", "duration.sigma=0", "--set",
         "commit.seconds=0.1"]
SLOW = [*SMALL, "--set", "duration.mean_ms=400"]  # 400 units: 40 s on four ranks
# As launch/env.sh, but with shorter silences, so that the test is quick; a network that stutters for 5 s is none here.
KEEPALIVE = {"OMPI_MCA_oob_tcp_keepalive_time": "3", "OMPI_MCA_oob_tcp_keepalive_intvl": "1", "OMPI_MCA_oob_tcp_keepalive_probes": "3"}
WAIT = 300  # for what takes seconds: no claim about time, the machine may be busy


class Job:
    """mpirun in n0, a rank on each of `names`, started as a user does: by launch/env.sh and a host file."""

    def __init__(self, hosts, names, *words, **extra):
        hostfile = hosts.shared / "hostfile"
        hostfile.write_text("".join(f"{name} slots=1\n" for name in names))
        self.log = hosts.shared / f"log-{time.monotonic_ns()}"
        env = {"PATH": os.environ["PATH"], "HOME": "/root", "MPIRA_HOSTS": str(hosts.folder), "OMPI_MCA_plm_rsh_agent": str(HERE / "agent"),
               "OMPI_MCA_mpi_yield_when_idle": "1",  # all "hosts" share this machine's cores
               "MPIRA_EXPECTED_RANKS": str(len(names)), **KEEPALIVE, **extra}
        line = f'. {ROOT}/launch/env.sh; exec mpirun --hostfile {hostfile} -np {len(names)} -x MPIRA_EXPECTED_RANKS "$@"'
        self.begin = time.monotonic()
        with open(self.log, "wb") as out:
            self.process = hosts.start("n0", "bash", "-c", line, "mpirun", *words, env=env, stdout=out, stderr=out)

    @property
    def text(self):
        return self.log.read_text(errors="replace")

    def wait(self, timeout=WAIT):
        """Exit code; its end in bounded time is what is tested."""
        try:
            return self.process.wait(timeout)
        except Exception:
            raise AssertionError(f"not over after {timeout} s:\n{self.text}") from None


def ranks_on(hosts, name):
    """Process numbers of mpira on a host (as seen from here)."""
    space = os.readlink(f"/proc/{hosts.pids[name]}/ns/pid")
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/pid") == space and os.readlink(f"/proc/{entry}/exe") == os.path.realpath(MPIRA):
                found.append(int(entry))
        except OSError:
            pass
    return found


def reference(folder):
    mpira("synthetic", *SMALL, "--set", "duration.mean_ms=0", "--output", folder / "reference.h5ad", code=0)
    return folder / "reference.h5ad"


def a_host_is_cut_off(hosts, folder):
    """Pulled out of the network without a goodbye. The job ends when the keepalive's time is over, on both sides of the
    cut; the same campaign goes on from the other three, and its bytes are right."""
    file = folder / "a.h5ad"
    job = Job(hosts, ["n1", "n2", "n3", "n4"], MPIRA, "synthetic", *SLOW, "--output", file)
    wait_until(lambda: len(done_units(file)) > 8, WAIT, "commits")
    hosts.cut_off("n3")
    cut = time.monotonic()
    code = job.wait()
    noticed = time.monotonic() - cut
    assert code not in (0, 2, 3), job.text
    assert re.search(r"node n3|n3\b", job.text), job.text
    done = len(done_units(file))
    assert done < 400, "over before the cut was noticed"
    wait_until(lambda: not any(ranks_on(hosts, name) for name in ("n1", "n2", "n3", "n4")), WAIT, "the ranks' end on all four hosts")
    alone = time.monotonic() - cut
    print(f"  n3 cut off: mpirun ended after {noticed:.1f} s (exit code {code}), n3's own rank by {alone:.1f} s; {done} of 400 units done",
          flush=True)
    job = Job(hosts, ["n1", "n2", "n4"], MPIRA, "synthetic", *SMALL, "--set", "duration.mean_ms=1", "--output", file)
    assert job.wait() == 0 and "3 ranks on 3 hosts" in job.text and "resuming: " in job.text, job.text
    now = status(file)
    assert now["outcome"] == "done" and now["charges"] == 0, now
    assert_equal_results(reference(folder), file)


def a_host_is_switched_off(hosts, folder):
    """That of rank 0: whoever goes on elsewhere waits for its silence (60 s), no longer."""
    file = folder / "a.h5ad"
    job = Job(hosts, ["n4", "n1"], MPIRA, "synthetic", *SLOW, "--output", file)
    wait_until(lambda: len(done_units(file)) > 4, WAIT, "commits")
    hosts.power_off("n4")
    off = time.monotonic()
    code = job.wait()
    assert code not in (0, 2, 3), job.text
    print(f"  n4 switched off: mpirun ended after {time.monotonic() - off:.1f} s (exit code {code})", flush=True)
    job = Job(hosts, ["n1", "n2"], MPIRA, "synthetic", *SMALL, "--set", "duration.mean_ms=1", "--set", "store.owner_wait_s=90",
              "--output", file)
    assert job.wait() == 0, job.text
    assert_equal_results(reference(folder), file)


def a_rank_throws_or_dies(hosts, folder):
    """Named with its host; the time it takes is printed (under 7 s when nothing else runs: mpirun waits for leftovers)."""
    job = Job(hosts, ["n1", "n2"], LEAVING, "alone")
    code = job.wait()
    seconds = time.monotonic() - job.begin
    assert code == 1 and "mpira: rank 1 on n2: the disk is gone" in job.text, (code, seconds, job.text)
    file = folder / "a.h5ad"
    job = Job(hosts, ["n1", "n2"], MPIRA, "synthetic", *SLOW, "--output", file)
    wait_until(lambda: len(done_units(file)) > 4, WAIT, "commits")
    os.kill(ranks_on(hosts, "n2")[0], 9)
    killed = time.monotonic()
    code = job.wait()
    died = time.monotonic() - killed
    assert code not in (0, 2, 3), (code, died, job.text)
    assert re.search(r"rank 1 with PID \d+ on node n2", job.text), job.text
    print(f"  a rank that throws: {seconds:.1f} s with mpirun's start; killed: {died:.1f} s (exit code {code})", flush=True)


def another_user_reads_along(hosts, folder):
    """status, verify and anndata of a running file by somebody of its group, who may only read it; nothing is written, nobody disturbed."""
    file = folder / "a.h5ad"
    job = Job(hosts, ["n1", "n2"], MPIRA, "synthetic", *SLOW, "--output", file)
    wait_until(lambda: len(done_units(file)) > 4, WAIT, "commits")
    for path in [folder, hosts.shared, hosts.folder]:
        path.chmod(0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=0", "--clear-groups"]
    assert hosts.run("n2", *nobody, "sh", "-c", f"echo x >>{file}").returncode != 0
    # On rank 0's host its process is looked up; elsewhere its heartbeat is read.
    for host in ("n1", "n2"):
        seen = hosts.run(host, *nobody, MPIRA, "status", file)
        assert seen.returncode == 0 and re.search(r"units +\d+ of 400 done", seen.stdout) and "is writing it" in seen.stdout, seen
    seen = hosts.run("n2", *nobody, MPIRA, "verify", file)
    assert seen.returncode in (0, 3) and "finished units" in seen.stdout, seen
    seen = hosts.run("n2", *nobody, MPIRA, "synthetic", *SLOW, "--output", file)
    assert seen.returncode == 2 and re.search(r"a\.h5ad: folder .* can't be written to", seen.stderr), seen
    assert job.process.poll() is None, job.text
    job.process.send_signal(10)  # USR1
    assert job.wait() == 3, job.text


CASES = [a_rank_throws_or_dies, another_user_reads_along, a_host_is_cut_off]
LONG = [a_host_is_switched_off]


def main():
    in_a_world_of_its_own()
    chosen = [word for word in sys.argv[1:] if word != "--long"]
    failed = []
    begin = time.monotonic()
    for case in [*CASES, *LONG]:
        if case.__name__ not in chosen and (chosen or (case in LONG and "--long" not in sys.argv)):
            continue
        began = time.monotonic()
        try:
            with Hosts(4) as hosts:  # new ones: a host that was cut off stays so
                tempfile.tempdir = str(hosts.folder)
                folder = hosts.shared / "work"
                folder.mkdir()
                case(hosts, folder)
            verdict = "ok"
        except Exception:  # every case is told, then the script fails
            verdict = f"FAILED\n{traceback.format_exc()}"
            failed.append(case.__name__)
        print(f"{case.__name__:<55} {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"after {time.monotonic() - begin:.1f} s: {'failed: ' + ', '.join(failed) if failed else 'all well'}", flush=True)
    os._exit(1 if failed else 0)  # this is process 1: all that runs ends with it


if __name__ == "__main__":
    main()
