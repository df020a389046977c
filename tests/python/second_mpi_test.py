"""What a second MPI library (preset mpich) must give: the same bytes on any number of ranks, those of the first one's build
where there is one; a job that is told to stop, dies, or has strangers for ranks. --ranks=4: more than 2 (MPICH polls)."""

import os
import signal
import subprocess
from pathlib import Path

from lentimpra_bytes_test import prepare
from mpira_test import MPIRA, Running, assert_equal_results, done_units, mpira, option, run_cases, status, wait_until

RANKS = option("ranks", 2)
OTHER = Path(MPIRA).parents[2] / "release" / "bin" / "mpira"
SLOW = ["--set", "rows=2000", "--set", "columns=5", "--set", "rows_per_unit=10", "--set", "commit.seconds=0.1"]


def the_same_screen_as_by_the_first_mpi(folder):
    prepare(folder)
    words = ["lentimpra", "--config", folder / "screen.toml"]
    for ranks in range(RANKS + 1):
        mpira(*words, "--output", folder / f"{ranks}.h5ad", ranks=ranks, code=0, timeout=200)
        assert_equal_results(folder / "0.h5ad", folder / f"{ranks}.h5ad")
    mpira(*words, "--output", folder / "mpiio.h5ad", "--set", "store.write=mpiio", ranks=RANKS, code=0, timeout=200)
    assert_equal_results(folder / "0.h5ad", folder / "mpiio.h5ad")
    if not OTHER.exists():
        print(f"not compared with another MPI's: there is no {OTHER}")
        return
    done = subprocess.run([OTHER, *words, "--output", folder / "other.h5ad"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert_equal_results(folder / "0.h5ad", folder / "other.h5ad")


def told_to_stop_then_resumed(folder):
    """mpiexec of MPICH keeps USR1 to itself, so the ranks are told: one is enough."""
    file = folder / "a.h5ad"
    run = Running("synthetic", *SLOW, "--output", file, ranks=2)
    wait_until(lambda: len(done_units(file)) > 3, what="first commits")
    os.kill(run.rank_pids()[-1], signal.SIGUSR1)
    result = run.wait(20)
    assert result.returncode == 3 and "stopped" in result.text, result
    mpira("synthetic", *SLOW, "--set", "duration.mean_ms=0", "--output", file, ranks=1, code=0)
    mpira("synthetic", *SLOW, "--set", "duration.mean_ms=0", "--output", folder / "whole.h5ad", ranks=2, code=0)
    assert_equal_results(folder / "whole.h5ad", file)


def a_rank_that_dies_ends_the_job(folder):
    file = folder / "a.h5ad"
    words = ["synthetic", *SLOW, "--output", file]
    result = mpira(*words, "--set", "fail.kill=20", ranks=2, timeout=30)
    assert result.returncode not in (0, 2, 3) and result.seconds < 10, result
    now = wait_until(lambda: (now := status(file))["outcome"] == "partial" and now, 10, "the owner's end")
    assert "vanished without a word" in now["death"] and now["charges"] == 0, now
    mpira(*words, ranks=2, code=0)


def wrong_input_and_strangers_end_with_2(folder):
    for ranks in (0, 2):
        result = mpira("synthetic", "--set", "rowz=1", "--output", folder / "a.h5ad", ranks=ranks, code=2)
        assert result.text.count("'rows'") == 1, result
    run = Running("synthetic", "--output", folder / "a.h5ad", SLURM_STEP_NUM_TASKS=4)
    result = run.wait(20)
    assert result.returncode == 2 and "srun started 4 tasks" in result.text, result


CASES = [the_same_screen_as_by_the_first_mpi, told_to_stop_then_resumed, a_rank_that_dies_ends_the_job,
         wrong_input_and_strangers_end_with_2]

if __name__ == "__main__":
    run_cases(CASES)
