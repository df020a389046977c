"""kill -9 at random moments, each after at least one commit, and resumes on other rank counts.

After each kill the file opens in anndata, no unit that was committed is lost, and its rows are right; at the end every
dataset but the bookkeeping equals the undisturbed run's byte for byte. --kills=N of each kind, --seed=S.
"""

import random

import numpy as np

from mpira_test import (Running, assert_equal_results, done_units, kill, mpira, open_h5, option, read_anndata,
                        run_cases, synthetic_rows, wait_until)

ROWS, COLUMNS, PER_UNIT = 30000, 6, 10
BASE = ["--set", f"rows={ROWS}", "--set", f"columns={COLUMNS}", "--set", f"rows_per_unit={PER_UNIT}", "--set",
        "commit.seconds=0.05", "--set", "resume.check=all"]
SLOW = ["--set", "duration.mean_ms=15"]
FAST = ["--set", "duration.mean_ms=0"]


def check_after_kill(file, committed):
    now = done_units(file)
    assert committed <= now, f"{len(committed - now)} committed units were lost"
    units = np.array(sorted(now))
    rows = (units[:, None] * PER_UNIT + np.arange(PER_UNIT)).ravel()
    with open_h5(file) as handle:
        x = handle["X"][()][rows]
        assert handle["obs/done"][()][rows].all()
    np.testing.assert_array_equal(x, synthetic_rows(rows, COLUMNS))
    data = read_anndata(file)
    assert data.shape == (ROWS, COLUMNS)


def kills(folder, whole_job):
    chance = random.Random(option("seed", 1) + whole_job)
    reference, file = folder / "reference.h5ad", folder / "killed.h5ad"
    mpira("synthetic", *BASE, *FAST, "--output", reference, ranks=2, code=0)
    ranks_before, counts = 0, []
    for trial in range(option("kills", 3)):
        ranks = chance.choice([n for n in (2, 3, 4) if n != ranks_before])
        before = done_units(file)
        run = Running("synthetic", *BASE, *SLOW, "--output", file, ranks=ranks)
        wait_until(lambda: len(done_units(file)) > len(before) or run.process.poll() is not None, 60,
                   f"a commit after kill {trial}")
        assert run.process.poll() is None, f"ended by itself:\n{run.wait()}"
        wait_s = chance.random() * 0.4
        try:
            run.process.wait(wait_s)
        except Exception:  # still running, as it should
            pass
        pids = run.rank_pids()
        assert len(pids) == ranks, pids
        committed = done_units(file)
        if whole_job:
            run.kill_all()
        else:
            kill(chance.choice(pids))
        result = run.wait(30)
        assert result.returncode != 0, result
        wait_until(lambda: not any(alive(pid) for pid in pids), 30, "the other ranks' end")
        check_after_kill(file, committed)
        counts.append(len(done_units(file)))
        ranks_before = ranks
    result = mpira("synthetic", *BASE, *FAST, "--output", file, ranks=chance.choice([1, 2, 3]), code=0, timeout=90)
    assert_equal_results(reference, file)
    print(f"  units done after each kill: {counts} of {ROWS // PER_UNIT}")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_of_a_random_rank(folder):
    kills(folder, whole_job=False)


def kill_of_the_whole_job(folder):
    kills(folder, whole_job=True)


if __name__ == "__main__":
    run_cases([kill_of_a_random_rank, kill_of_the_whole_job])
