"""kill -9 at random moments, each after at least one commit, and resumes on other rank counts.

After each kill the file opens in anndata, no unit that was committed is lost, and its rows are right; at the end every
dataset but the bookkeeping equals the undisturbed run's byte for byte. --kills=N of each kind, --seed=S.
"""

import random

import numpy as np

from mpira_test import assert_equal_results, kill_and_resume, mpira, open_h5, option, run_cases, synthetic_rows

ROWS, COLUMNS, PER_UNIT = 30000, 6, 10
BASE = ["--set", f"rows={ROWS}", "--set", f"columns={COLUMNS}", "--set", f"rows_per_unit={PER_UNIT}", "--set",
        "commit.seconds=0.05", "--set", "resume.check=all"]
SLOW = ["--set", "duration.mean_ms=15"]
FAST = ["--set", "duration.mean_ms=0"]


def check_after_kill(file, done, data):
    units = np.array(sorted(done))
    rows = (units[:, None] * PER_UNIT + np.arange(PER_UNIT)).ravel()
    with open_h5(file) as handle:
        x = handle["X"][()][rows]
        assert handle["obs/done"][()][rows].all()
    np.testing.assert_array_equal(x, synthetic_rows(rows, COLUMNS))
    assert data.shape == (ROWS, COLUMNS)


def kills(folder, whole_job):
    chance = random.Random(option("seed", 1) + whole_job)
    reference, file = folder / "reference.h5ad", folder / "killed.h5ad"
    mpira("synthetic", *BASE, *FAST, "--output", reference, ranks=2, code=0)
    counts = kill_and_resume(["synthetic", *BASE, *SLOW, "--output", file], file, chance=chance, ranks=[2, 3, 4],
                             kills=option("kills", 3), wait_s=0.4, one_rank=not whole_job, timeout=60,
                             check=lambda done, data: check_after_kill(file, done, data))
    assert len(counts) == option("kills", 3), f"ended by itself after {len(counts)} kills"
    mpira("synthetic", *BASE, *FAST, "--output", file, ranks=chance.choice([1, 2, 3]), code=0, timeout=90)
    assert_equal_results(reference, file)
    print(f"  units done after each kill: {counts} of {ROWS // PER_UNIT}")


def kill_of_a_random_rank(folder):
    kills(folder, whole_job=False)


def kill_of_the_whole_job(folder):
    kills(folder, whole_job=True)


if __name__ == "__main__":
    run_cases([kill_of_a_random_rank, kill_of_the_whole_job])
