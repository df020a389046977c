"""mpira under a real Slurm of four nodes: launch/slurm.sbatch end to end, srun with and without PMIx, stops before the
time limit, arrays, ranks that throw and die. Started by tests/slurm/run; --long adds what waits for Slurm's own clock.

The cases wait more than they compute, so they run side by side, each in a folder of its own that all nodes see.
"""

import os
import re
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster import Cluster
from hosts import ROOT, Hosts, in_a_world_of_its_own

sys.path.insert(0, str(ROOT / "tests" / "python"))
import mpira_test
from mpira_test import MPIRA, assert_equal_results, done_units, journal, mpira, status, wait_until
from lentimpra_bytes_test import prepare

WAIT = 300  # for what takes seconds: no claim about time, the machine may be busy
LEAVING = Path(MPIRA).parents[1] / "tests" / "comm_leaving"  # tests/comm/leaving.cpp
SMALL = ["--set", "rows=400", "--set", "columns=5", "--set", "rows_per_unit=10", "--set", "duration.sigma=0", "--set",
         "commit.seconds=0.1"]
QUICK = [*SMALL, "--set", "duration.mean_ms=5"]
SLOW = [*SMALL, "--set", "duration.mean_ms=60000"]
# Where a rank crashes while MPI starts (CRASH_IN_MPI) the others would wait for it until the time limit.
SRUN = ["srun", "--mpi=pmix", "--kill-on-bad-exit=1"]


def reference(folder):
    mpira("synthetic", *SMALL, "--set", "duration.mean_ms=0", "--output", folder / "reference.h5ad", code=0)
    return folder / "reference.h5ad"


def a_screen_end_to_end(slurm, folder):
    """lentimpra by sbatch on 2 nodes, started by srun with PMIx, large libraries from the nodes' own disks: the bytes of
    a run without a launcher."""
    prepare(folder)
    mpira("lentimpra", "--config", folder / "screen.toml", "--output", folder / "one.h5ad", code=0, timeout=WAIT)
    number = slurm.submit("--nodes=2", "--ntasks-per-node=2", "lentimpra", "--config", folder / "screen.toml", "--output",
                          folder / "two.h5ad", MPIRA=MPIRA, MPIRA_STAGE="/tmp/staged")
    job, code, log = slurm.ended(number)
    assert code == 0 and job["JobState"] == "COMPLETED", log
    assert "4 ranks on 2 hosts" in log and "done: 60 units" in log, log
    assert len(re.findall(r"launch/stage: n\d: [1-9]\d* libraries, \d+ MiB", log)) == 2, log
    assert_equal_results(folder / "one.h5ad", folder / "two.h5ad")


def the_doctor_on_all_nodes(slurm, folder):
    """And status, verify, seal. By srun itself; and mpirun inside the job (MPIRA_MPI=mpirun), for places whose srun and MPI don't meet."""
    done = slurm.run(*SRUN, "--nodes=4", "--ntasks=4", MPIRA, "doctor", "--output", folder / "doctor.h5ad",
                     PMIX_MCA_gds="hash")
    assert done.returncode == 0, done
    assert re.search(r"^ok +ranks +4 \(1 x n1, 1 x n2, 1 x n3, 1 x n4\)", done.stdout, re.M), done.stdout
    assert re.search(r"^ok +locking", done.stdout, re.M), done.stdout
    number = slurm.submit("--nodes=2", "--ntasks-per-node=1", "synthetic", *QUICK, "--output", folder / "a.h5ad", MPIRA=MPIRA,
                          MPIRA_MPI="mpirun")
    job, code, log = slurm.ended(number)
    assert code == 0 and "2 ranks on 2 hosts" in log, log
    assert_equal_results(reference(folder), folder / "a.h5ad")
    # What needs no MPI speaks once, however many tasks were started, and does its work once.
    for words, said in ([["status"], "40 of 40 done"], [["verify"], "finished units"], [["seal"], "a.sealed.h5ad"]):
        done = slurm.run(*SRUN, "--nodes=2", "--ntasks=4", MPIRA, *words, folder / "a.h5ad", PMIX_MCA_gds="hash")
        waits = r"srun: job \d+ (queued and waiting for resources|has been allocated resources)"  # the nodes were busy
        ours = [line for line in done.stderr.splitlines() if not re.fullmatch(waits, line)]
        assert done.returncode == 0 and done.stdout.count(said) == 1 and len(ours) <= 1, done


def strangers_are_refused(slurm, folder):
    """srun without an MPI plugin starts N processes that know nothing of each other: refused before one makes a file."""
    words = ["synthetic", *QUICK, "--output", folder / "a.h5ad"]
    done = slurm.run("srun", "--mpi=none", "--nodes=2", "--ntasks=4", MPIRA, *words)
    assert done.returncode == 2 and "srun started 4 tasks but" in done.stderr and "--mpi=pmix" in done.stderr, done
    job, code, log = slurm.ended(slurm.submit("--nodes=2", "--ntasks-per-node=2", *words, MPIRA=MPIRA, MPIRA_MPI="none"))
    assert code == 2 and "4 ranks were promised" in log and "--mpi=pmix" in log, log
    assert not (folder / "a.h5ad").exists()


def stopped_before_the_limit_and_requeued_until_done(slurm, folder):
    """USR1 comes before the time limit: committed, exit code 3, back into the queue, resumed where it was, and made
    afresh by the first start alone."""
    file, config = folder / "a.h5ad", folder / "a.toml"
    mpira("synthetic", *QUICK, "--set", "seed=9", "--output", file, code=0)
    earlier = file.read_bytes()
    config.write_text("rows = 400\ncolumns = 5\nrows_per_unit = 10\n[duration]\nmean_ms = 3000\nsigma = 0\n")
    # A minute is the shortest limit there is; Slurm looks at it every 30 s: the signal comes after 10 to 40 s.
    number = slurm.submit("--nodes=2", "--ntasks-per-node=1", "--time=1", "--signal=B:USR1@50", "synthetic", "--config", config,
                          "--output", file, "--fresh", "--overwrite", MPIRA=MPIRA, MPIRA_REQUEUE=1)
    # (On a very busy machine the first signal may come before mpira has begun: another round then.)
    slurm.wait(number, lambda job: (int(job["Restarts"]) > 0 and len(done_units(file)) < 40 and done_units(file)) or job["JobState"] == "COMPLETED", WAIT, "the requeue")
    config.write_text(config.read_text().replace("3000", "1"))  # the rest quickly
    job, code, log = slurm.ended(number)
    assert code == 0 and int(job["Restarts"]) >= 1, (job, log)
    assert "stopped after" in log and "partly done" in log and "resuming: " in log, log
    now = status(file)
    assert now["outcome"] == "done" and now["charges"] == 0 and not Path(f"{file}.requeues").exists(), now
    assert_equal_results(reference(folder), file)
    assert Path(f"{file}.old").read_bytes() == earlier and not Path(f"{file}.began").exists()
    assert 0 < int(re.search(r"done: 40 units in .* \((\d+) by earlier runs\)", log)[1]) < 40, log


def a_unit_longer_than_the_limit_is_not_requeued_forever(slurm, folder):
    """Told by the batch script's own USR1 (scancel --batch, which comes at once): five runs that bring nothing."""
    file = folder / "a.h5ad"
    Path(f"{file}.requeues").write_text("0 4\n")  # as four runs leave it
    number = slurm.submit("--nodes=1", "--ntasks-per-node=2", "synthetic", *SLOW, "--output", file, MPIRA=MPIRA, MPIRA_REQUEUE=1)
    wait_until(lambda: file.exists() and (journal(file)["state"] == 1).sum() == 2, WAIT, "two units in flight")
    slurm.sh(f"scancel --batch --signal=USR1 {number}")
    job, code, log = slurm.ended(number)
    assert code == 3 and job["Restarts"] == "0" and "5 runs in a row brought nothing forward" in log, (job, log)
    assert status(file)["charges"] == 0 and not Path(f"{file}.requeues").exists()


def an_array_is_many_campaigns(slurm, folder):
    number = slurm.submit("--array=1-4", "--ntasks=2", "synthetic", *QUICK, "--set", "seed=%a", "--output", folder / "%a.h5ad",
                          MPIRA=MPIRA)
    wait_until(lambda: (left := slurm.run("squeue", "-h", "-j", number)).returncode == 0 and not left.stdout.strip(), WAIT, "the array's end")
    for seed in range(1, 5):
        file = folder / f"{seed}.h5ad"
        assert file.exists() and status(file)["outcome"] == "done", "".join(log.read_text() for log in slurm.hosts.shared.glob("mpira-*.log"))
        mpira("synthetic", *QUICK, "--set", f"seed={seed}", "--output", folder / f"{seed}.h5ad", code=0)  # it is this seed's


def a_rank_that_throws_or_dies_ends_the_job(slurm, folder):
    """Named with its host; the time it takes is printed (under a second when nothing else runs)."""
    begin = time.monotonic()
    # Not SRUN: we are to end the job, not srun. The limit is for CRASH_IN_MPI.
    done = slurm.run("srun", "--mpi=pmix", "--time=2", "--nodes=3", "--ntasks=3", LEAVING, "alone", PMIX_MCA_gds="hash")
    seconds = time.monotonic() - begin
    assert done.returncode == 1 and re.search(r"mpira: rank 2 on n\d: the disk is gone", done.stderr), (seconds, done)
    file = folder / "a.h5ad"
    number = slurm.submit("--nodes=3", "--ntasks-per-node=1", "synthetic", *SLOW, "--set", "fail.kill=0", "--output", file, MPIRA=MPIRA)
    job, code, log = slurm.ended(number)
    assert code == 3 and re.search(r"rank \d on n\d: vanished without a word .* in unit 0", log), log
    assert status(file)["charges"] == 0  # the first time it is a suspect only
    print(f"  a rank that throws: {seconds:.1f} s with srun's start; killed: {job['RunTime']}", flush=True)


def a_time_limit_kill_charges_no_unit(slurm, folder):
    """No warning, and units that hear nothing: Slurm's TERM, then KILL, and what was in flight is simply open again."""
    file = folder / "a.h5ad"
    number = slurm.submit("--nodes=2", "--ntasks-per-node=1", "--time=1", "--signal=B:URG@1", "synthetic", *QUICK, "--set",
                          "fail.hang=38,39", "--output", file, MPIRA=MPIRA)
    job, code, log = slurm.ended(number)
    assert job["JobState"] == "TIMEOUT", (job, log)
    now = wait_until(lambda: (now := status(file))["outcome"] == "partial" and now, WAIT, "the owner's end")
    assert now["done"] == 38 and now["charges"] == 0 and now["failed"] == 0, now
    job, code, log = slurm.ended(slurm.submit("--nodes=2", "--ntasks-per-node=1", "synthetic", *QUICK, "--output", file, MPIRA=MPIRA))
    assert code == 0 and "38 by earlier runs" in log, log
    assert (journal(file)["blame"] == 0).all()
    assert_equal_results(reference(folder), file)


def a_node_that_is_cut_off_is_replaced(slurm, folder):
    """Slurm notices, puts the job back into the queue, and the campaign goes on where it was, on other nodes."""
    file = folder / "a.h5ad"
    number = slurm.submit("--nodes=2", "--ntasks-per-node=1", "--exclude=n1,n2", "synthetic", *SMALL, "--set",
                          "duration.mean_ms=1500", "--output", file, MPIRA=MPIRA)
    wait_until(lambda: len(done_units(file)) > 2, WAIT, "first commits")
    begin = time.monotonic()
    slurm.hosts.cut_off("n4")
    slurm.wait(number, lambda job: job["JobState"] == "PENDING" or int(job["Restarts"]) > 0, WAIT, "that Slurm notices")
    noticed = time.monotonic() - begin
    slurm.sh(f"scontrol update jobid={number} ExcNodeList=n4 NumNodes=2")
    job, code, log = slurm.ended(number)
    assert code == 0 and "resuming: " in log, (job, log)
    assert_equal_results(reference(folder), file)
    print(f"  Slurm put the job back into the queue {noticed:.1f} s after the cut", flush=True)


CASES = [a_screen_end_to_end, the_doctor_on_all_nodes, strangers_are_refused,
         stopped_before_the_limit_and_requeued_until_done, a_unit_longer_than_the_limit_is_not_requeued_forever,
         an_array_is_many_campaigns, a_rank_that_throws_or_dies_ends_the_job]
LONG = [a_time_limit_kill_charges_no_unit, a_node_that_is_cut_off_is_replaced]


# About one start in 70 on a busy machine: in MPI_Init under srun a rank of Debian's Open MPI 4.1.4 jumps to address 0 (its
# TCP transport hears a peer too early), before our own handlers of signals are there.
CRASH_IN_MPI = "*** Process received signal ***"


def run_case(case, slurm):
    begin = time.monotonic()
    for attempt in ("", ".again"):
        folder = slurm.hosts.shared / (case.__name__ + attempt)
        folder.mkdir()
        verdict = "ok" + attempt
        try:
            case(slurm, folder)
        except Exception:  # every case is told, then the script fails
            verdict = f"FAILED\n{traceback.format_exc()}"
        if CRASH_IN_MPI not in verdict:
            break
        print(f"{case.__name__:<55} a rank crashed while MPI started", flush=True)
    print(f"{case.__name__:<55} {verdict} ({time.monotonic() - begin:.1f} s)", flush=True)
    return verdict.startswith("ok")


def main():
    in_a_world_of_its_own()
    words = [word for word in sys.argv[1:] if word != "--long"]
    cases = [case for case in CASES + LONG if case.__name__ in words] if words else CASES + LONG * ("--long" in sys.argv)
    begin = time.monotonic()
    with Hosts(4) as hosts, Cluster(hosts) as slurm:
        tempfile.tempdir = str(hosts.folder)
        mpira_test.DEFAULT_ENVIRONMENT["TMPDIR"] = str(hosts.folder)
        print(f"Slurm has {len(slurm.nodes)} idle nodes after {time.monotonic() - begin:.1f} s: {slurm.sh('sinfo -V').strip()}", flush=True)
        # The node of the cut is nobody else's: that case comes last.
        apart = [case for case in cases if case is a_node_that_is_cut_off_is_replaced]
        with ThreadPoolExecutor(len(cases)) as pool:
            good = list(pool.map(lambda case: run_case(case, slurm), [case for case in cases if case not in apart]))
        good += [run_case(case, slurm) for case in apart]
        if not all(good):
            print(slurm.logs())
    print(f"{sum(good)} of {len(good)} cases after {time.monotonic() - begin:.1f} s", flush=True)
    sys.stdout.flush()
    os._exit(0 if all(good) else 1)  # this is process 1: all that runs ends with it


if __name__ == "__main__":
    main()
