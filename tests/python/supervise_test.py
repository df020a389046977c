"""Runs that die: whose unit is charged, what is set aside, a rank that hangs, and launch/campaign, which starts again."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np

import folds_test
from mpira_test import (MPIEXEC, MPIRA, Running, assert_equal_results, done_units, journal, kill, mpira, open_h5, run_cases,
                        status, wait_until)

ROWS, PER_UNIT = 500, 10
BASE = ["--set", f"rows={ROWS}", "--set", "columns=5", "--set", f"rows_per_unit={PER_UNIT}", "--set",
        "commit.seconds=0.1"]
QUICK = [*BASE, "--set", "duration.mean_ms=20", "--set", "duration.sigma=0"]
CAMPAIGN = Path(__file__).resolve().parents[2] / "launch" / "campaign"


def environment():
    """launch/campaign sets its launcher's itself; where sessions lie is the test's to say (MpiraTest.cmake)."""
    ours = {name: value for name, value in os.environ.items() if name == "OMPI_MCA_orte_tmpdir_base"}
    return {"MPIRA": MPIRA, "MPIRA_MPIEXEC": MPIEXEC, "PATH": os.environ["PATH"], **ours}


def campaign(*words, ranks=2):
    words = [CAMPAIGN, "--ranks", str(ranks), "--oversubscribe", *map(str, words)]
    return subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            start_new_session=True)


def charges(file):
    """{unit: charges} by the journal."""
    rows = journal(file)
    return {int(row["unit"]): int(row["blame"]) % 16 for row in rows if row["blame"] and row["state"] != 2}


def in_flight(file):
    """{rank: unit} of those computing, by the record beside the result (include/mpira/store/in_flight.hpp)."""
    try:
        slots = np.fromfile(f"{file}.flight", dtype=np.uint8)[128:].reshape(-1, 256)
    except (OSError, ValueError):
        return {}
    return {rank: int(slot[8:16].view("<u8")[0]) for rank, slot in enumerate(slots) if slot[16]}


def reference(folder):
    file = folder / "reference.h5ad"
    mpira("synthetic", *BASE, "--set", "duration.mean_ms=0", "--output", file, code=0)
    return file


def assert_others_are_equal(folder, file, bad):
    """All rows but those of the bad units are those of an undisturbed run."""
    with open_h5(reference(folder)) as expected, open_h5(file) as found:
        good = np.array([row // PER_UNIT not in bad for row in range(ROWS)])
        np.testing.assert_array_equal(found["obs/done"][()], good)
        for name in ("X", "obs/row_sum"):
            assert expected[name][()][good].tobytes() == found[name][()][good].tobytes(), name


def a_crashing_unit_stops_no_campaign(folder):
    """SIGSEGV: charged twice by its own handler, then set aside; SIGKILL: a suspect first. 48 of 50 get done."""
    file = folder / "a.h5ad"
    run = campaign("synthetic", *QUICK, "--set", "fail.crash=17", "--set", "fail.kill=30", "--output", file, ranks=3)
    text = run.communicate(timeout=120)[0]
    assert run.returncode == 3, (run.returncode, text)
    now = status(file)
    assert now["done"] == 48 and now["failed"] == 2 and now["outcome"] == "failed" and "death" not in now, now
    errors = {one["unit"]: one["error"] for one in now["first_errors"]}
    assert set(errors) == {17, 30}, errors
    assert re.search(r"ended its process 2 times, last: rank \d on \S+: Segmentation fault \(signal 11\) in unit 17", errors[17])
    assert re.search(r"rank \d on \S+: vanished without a word .* in unit 30", errors[30]), errors
    assert "Segmentation fault" in mpira("status", file, code=0).stdout
    assert charges(file) == {17: 2, 30: 2}, charges(file)  # no innocent unit is charged
    assert_others_are_equal(folder, file, {17, 30})
    log = Path(f"{file}.runs.log").read_text()
    assert log.count(" run ") >= 6 and "Segmentation fault" in log and "exit code 3, outcome failed" in log, log
    assert not Path(f"{file}.flight").exists()
    # A start that finds nothing else left tries them anew.
    mpira("synthetic", *QUICK, "--output", file, ranks=2, code=0)
    assert_equal_results(folder / "reference.h5ad", file)


def a_crashing_unit_alone(folder):
    """Without a launcher, started again by hand; the charges last."""
    file = folder / "a.h5ad"
    words = ["synthetic", *QUICK, "--set", "fail.crash=3", "--output", file]
    for start in (1, 2):
        result = mpira(*words)
        assert result.returncode not in (0, 2, 3), result
        assert "Segmentation fault" in status(file)["death"], status(file)
    result = mpira(*words, code=3)
    assert "unit 3 is set aside" in result.text, result
    assert charges(file) == {3: 2}
    # Tried anew, it crashes again: charged anew.
    assert mpira(*words).returncode not in (0, 2, 3)
    mpira("synthetic", *QUICK, "--output", file, code=0)
    assert charges(file) == {}


def a_time_limit_charges_nobody(folder):
    """SIGTERM, then SIGKILL: units that hear nothing are in flight when the end comes."""
    file = folder / "a.h5ad"
    words = ["synthetic", *QUICK, "--output", file]
    run = Running(*words, "--set", "fail.hang=0,1", ranks=2)
    wait_until(lambda: set(in_flight(file).values()) == {0, 1}, what="both units")
    run.signal(signal.SIGTERM)
    assert run.wait(30).returncode != 0
    now = wait_until(lambda: (now := status(file))["outcome"] == "partial" and now, 10, "the owner's end")
    assert now.get("death_by_stop") is True and now["charges"] == 0, now
    mpira(*words, ranks=2, code=0)
    assert charges(file) == {}


def a_kill_of_all_ranks_charges_nobody(folder):
    """The units in flight are remembered; if it happens to one of them again, it is run in quarantine."""
    file = folder / "a.h5ad"
    slow = ["synthetic", *BASE, "--set", "duration.mean_ms=3000", "--set", "duration.sigma=0", "--output", file]
    said = ""
    for _ in range(3):
        record = Path(f"{file}.flight")
        before = record.stat().st_ctime_ns if record.exists() else 0
        run = Running(*slow, ranks=2)
        wait_until(lambda: record.exists() and record.stat().st_ctime_ns != before and len(in_flight(file)) == 2, what="two units")
        run.kill_all()
        said = run.wait(30).text
    assert "unit 0 was in flight and is run in quarantine" in said, said
    result = mpira("synthetic", *QUICK, "--output", file, ranks=2, code=0)
    assert "2 of 2 ranks did" in result.text, result
    assert charges(file) == {}
    assert_equal_results(reference(folder), file)


def a_hang_ends_the_job(folder):
    """The watchdog names rank, host and unit; launch/campaign goes on, and sets the unit aside."""
    file = folder / "a.h5ad"
    words = ["synthetic", *QUICK, "--set", "fail.hang=5", "--set", "watchdog.unit_timeout_s=2", "--output", file]
    begin = time.monotonic()
    result = mpira(*words, ranks=3)
    assert result.returncode == 1 and time.monotonic() - begin < 30, result
    assert re.search(r"rank \d on \S+ is at unit 5 for \d+(\.\d+)? s, longer than watchdog.unit_timeout_s = 2: it hangs", result.text), result
    assert done_units(file), "the others' last commit"
    run = campaign(*words, ranks=2)
    text = run.communicate(timeout=60)[0]
    assert run.returncode == 3, (run.returncode, text)
    now = status(file)
    assert now["done"] == 49 and now["failed"] == 1, now
    assert "no progress in unit 5" in now["first_errors"][0]["error"], now
    assert charges(file) == {5: 2}
    assert_others_are_equal(folder, file, {5})


def a_slow_unit_that_heeds_a_stop_is_charged(folder):
    """Its rank drops it when the watchdog ends the job: charged all the same."""
    file = folder / "a.h5ad"
    run = campaign("synthetic", *BASE, "--set", "rows=10", "--set", "duration.mean_ms=600000", "--set", "duration.sigma=0",
                   "--set", "watchdog.unit_timeout_s=1", "--output", file)
    text = run.communicate(timeout=120)[0]
    assert run.returncode == 3, (run.returncode, text)
    assert charges(file) == {0: 2}
    assert "no progress in unit 0" in status(file)["first_errors"][0]["error"], status(file)


def a_run_without_a_record_goes_on(folder):
    """A folder or a disk that takes none costs the knowledge of who died, not the run."""
    file = folder / "a.h5ad"
    mpira("synthetic", *QUICK, "--set", "fail.always=3", "--output", file, ranks=2, code=3)
    Path(f"{file}.flight").mkdir()
    result = mpira("synthetic", *QUICK, "--output", file, ranks=2, code=0)
    assert "should this run die, nobody knows in which unit" in result.text, result
    assert_equal_results(reference(folder), file)


def any_rank_of_a_group_is_noted(folder):
    """folds: a rank that only follows its group's first one dies; its training is the suspect."""
    folds_test.prepare(folder)
    file = folder / "sweep.h5ad"
    run = Running(*folds_test.folds(folder, *folds_test.BLOCKS, "--set", "folds.ranks_per_fold=2"), ranks=2)
    wait_until(lambda: set(in_flight(file)) == {0, 1}, what="a training of both")
    pids = run.rank_pids()
    of_rank = {int(re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", Path(f"/proc/{pid}/environ").read_bytes())[1]): pid for pid in pids}
    kill(of_rank[1])
    result = run.wait(30)
    assert result.returncode != 0, result
    now = wait_until(lambda: (now := status(file))["outcome"] == "partial" and now, 10, "the owner's end")
    assert re.search(r"rank 1 on \S+: vanished without a word .* in unit \d+$", now["death"]), now
    assert not now["death_by_stop"], now


def campaign_gives_up_and_obeys(folder):
    """Wrong input and a stop end it; a run that never gets anywhere is given up after the restarts named."""
    file = folder / "a.h5ad"
    run = campaign("synthetic", "--set", "rowz=1", "--output", file)
    text = run.communicate(timeout=30)[0]
    assert run.returncode == 2 and "'rows'" in text, text
    run = campaign("synthetic", *QUICK)
    assert "--output" in run.communicate(timeout=30)[0] and run.returncode == 2
    # A result that can't grow: every run dies at its first commit.
    limited = subprocess.run(["bash", "-c", f'ulimit -f 64; exec "$0" "$@"', CAMPAIGN, "--ranks", "1", "--restarts", "1", "synthetic",
                              *QUICK, "--set", "rows=100000", "--output", file], capture_output=True, text=True, timeout=60,
                             env=environment(), check=False)
    assert limited.returncode == 1 and "given up" in limited.stderr, limited
    run = campaign("synthetic", *BASE, "--set", "duration.mean_ms=200", "--output", folder / "b.h5ad")
    wait_until(lambda: len(done_units(folder / "b.h5ad")) > 1, what="first commits")
    run.terminate()
    text = run.communicate(timeout=30)[0]
    assert run.returncode == 3 and "stopped" in text and "again in" not in text, (run.returncode, text)
    assert status(folder / "b.h5ad")["outcome"] == "partial"


CASES = [a_crashing_unit_stops_no_campaign, a_crashing_unit_alone, a_time_limit_charges_nobody,
         a_kill_of_all_ranks_charges_nobody, a_hang_ends_the_job,
         a_slow_unit_that_heeds_a_stop_is_charged, a_run_without_a_record_goes_on,
         any_rank_of_a_group_is_noted,
         campaign_gives_up_and_obeys]

if __name__ == "__main__":
    run_cases(CASES)
