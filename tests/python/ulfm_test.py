"""Open MPI 5 with ULFM: after the loss of a rank other than 0 the others carry on. By hand, after `launch/setup --ulfm`,
`launch/build ulfm --target schedule_survivors` and `launch/build release --target mpira`:

    .deps/venv/bin/python tests/python/ulfm_test.py [--times=3]

mpirun's exit code says nothing here (0 after segmentation faults): the outcome is the file's, told by the release mpira.
"""
import random
import re
import time
from pathlib import Path

from mpira_test import (Running, alive, assert_equal_results, done_units, journal, kill, mpira, option, run_cases,
                        status, wait_until)

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/ulfm/tests/schedule_survivors"
MPIRUN = ROOT / ".deps/openmpi5/bin/mpirun"
BASE = ["rows=3000", "columns=5", "rows_per_unit=10", "duration.sigma=0"]
SLOW = [*BASE, "duration.mean_ms=20"]
ENVIRONMENT = {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "PRTE_MCA_hwloc_default_binding_policy": "none"}


class Survivors(Running):
    """schedule_survivors FILE KEY=VALUE ... under mpirun --with-ft ulfm."""

    def __init__(self, file, *settings, ranks):
        self.program = [MPIRUN, "--with-ft", "ulfm", "-n", ranks, PROGRAM, file, *settings]
        super().__init__(ranks=ranks, **ENVIRONMENT)

    def start(self, **_):
        return [str(word) for word in self.program]

    def by_rank(self):
        found = {}
        for pid in self.pids_of(PROGRAM):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            found[int(re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", environment)[1])] = pid
        return found


def reference(folder):
    file = folder / "reference.h5ad"
    if not file.exists():
        assert Survivors(file, *BASE, "duration.mean_ms=0", ranks=1).wait().returncode == 0
    return file


def the_others_carry_on(folder):
    """Two of four ranks are killed: the same run ends, with every row, and the bytes of an undisturbed one."""
    chance = random.Random(option("seed", 1))
    for time_no in range(option("times", 3)):
        file = folder / f"{time_no}.h5ad"
        run = Survivors(file, *SLOW, ranks=4)
        wait_until(lambda: len(done_units(file)) > 5, what="first commits")
        pids = run.by_rank()
        for rank in chance.sample((1, 2, 3), 2):
            committed = done_units(file)
            kill(pids[rank])
            wait_until(lambda: len(done_units(file)) > len(committed) + 10 or run.process.poll() is not None, 30, "further commits")
            assert committed <= done_units(file), "committed units were lost"
        result = run.wait(60)
        assert status(file)["outcome"] == "done", result
        assert result.returncode == 0, result
        assert result.text.count("the other ranks go on") == 2, result
        assert re.search(r"rank \d on \S+: vanished without a word .* in unit \d+; the other ranks go on \(3 left\)", result.text), result
        assert not Path(f"{file}.flight").exists()
        assert_equal_results(reference(folder), file)
        mpira("verify", file, code=0)


def a_unit_that_kills_is_set_aside(folder):
    """It ends two ranks; the other two finish the rest in the same run."""
    file = folder / "a.h5ad"
    result = Survivors(file, *SLOW, "fail.crash=250", ranks=4).wait(90)
    now = status(file)
    assert now["outcome"] == "failed" and now["failed"] == 1 and now["done"] == now["units"] - 1, (now, result)
    assert re.search(r"ended its process 2 times, last: rank \d on \S+: Segmentation fault", now["first_errors"][0]["error"]), now
    rows = journal(file)
    assert {int(row["unit"]): int(row["blame"]) % 16 for row in rows if row["blame"] and row["state"] != 2} == {250: 2}
    assert Survivors(file, *SLOW, ranks=2).wait().returncode == 0
    assert_equal_results(reference(folder), file)


def rank_0_takes_all_along(folder):
    """The loss of the leader goes through a new start."""
    file = folder / "a.h5ad"
    run = Survivors(file, *SLOW, ranks=3)
    wait_until(lambda: len(done_units(file)) > 5, what="first commits")
    pids = run.by_rank()
    begin = time.monotonic()
    kill(pids[0])
    result = run.wait(30)
    wait_until(lambda: not any(alive(pid) for pid in pids.values()), 10, "the ranks' end")
    assert time.monotonic() - begin < 20, result
    assert status(file)["outcome"] == "partial", result
    assert Survivors(file, *SLOW, ranks=2).wait().returncode == 0
    assert_equal_results(reference(folder), file)


def all_at_once_leave_a_file_that_goes_on(folder):
    """mpirun may say 0 then; `status` does not."""
    file = folder / "a.h5ad"
    run = Survivors(file, *SLOW, ranks=3)
    wait_until(lambda: len(done_units(file)) > 5, what="first commits")
    committed = done_units(file)
    pids = run.by_rank()
    for pid in pids.values():
        kill(pid)
    result = run.wait(30)
    print(f"  mpirun's exit code after all ranks were killed: {result.returncode}")
    wait_until(lambda: not any(alive(pid) for pid in pids.values()), 10, "the ranks' end")
    assert status(file)["outcome"] == "partial" and committed <= done_units(file)
    assert Survivors(file, *SLOW, ranks=2).wait().returncode == 0
    assert_equal_results(reference(folder), file)


if __name__ == "__main__":
    run_cases([the_others_carry_on, a_unit_that_kills_is_set_aside, rank_0_takes_all_along, all_at_once_leave_a_file_that_goes_on])
