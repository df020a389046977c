"""kill -9 at random moments of real campaigns (lentimpra, jacobian, folds), of one rank or of the launcher, resumed on
another rank count until done; then a new round. By hand: hours fit into --kills=N (of each job), --seed=S; cases are
named on the command line. CI runs a few of each (kill_test.py, lentimpra_bytes_test.py, jacobian_test.py, folds_test.py).

After each kill: all processes are gone within 30 s, the file opens in anndata, no unit that was committed before is
lost. At the end of each round every dataset but the bookkeeping equals the undisturbed run's, and weights their files.
"""
import collections
import os
import random
import subprocess
import time

import folds_test
import jacobian_test
import lentimpra_bytes_test
from mpira_test import (MPIRA, Running, alive, assert_equal_results, done_units, kill, mpira, option, read_anndata,
                        run_cases, wait_until)

END_S = 30


def begun(file):
    """Names the start that last came to its units."""
    try:
        of_run = os.stat(f"{file}.flight")
        return f"{of_run.st_ino} {of_run.st_ctime_ns}"
    except OSError:
        return ""


def disturb(name, folder, words, same):
    """Kills and resumes `words` (of file name -> command line) until enough kills are done and the round is complete."""
    chance = random.Random(f"{option('seed', 1)} {name}")
    wanted, counts = option("kills", 10), collections.Counter()
    begin = time.monotonic()
    mpira(*words("reference.h5ad"), ranks=2, code=0, timeout=300)
    usual_s = time.monotonic() - begin
    ranks = 2
    while counts["kills"] < wanted:
        file = folder / f"round{counts['rounds']}.h5ad"
        while True:
            ranks = chance.choice([n for n in (2, 3, 4) if n != ranks])
            committed = done_units(file)
            before = begun(file)
            run = Running(*words(file.name), ranks=ranks)
            if counts["kills"] < wanted:
                if chance.random() < 0.85:  # among the units; else at any moment from the start
                    wait_until(lambda: begun(file) not in ("", before) or run.process.poll() is not None, 60, "units")
                try:
                    run.process.wait(chance.random() * usual_s / 2)
                except subprocess.TimeoutExpired:
                    pass
            else:
                run.process.wait(300)
            if run.process.poll() is not None:
                result = run.wait()
                assert result.returncode in (0, 3), result
                if result.returncode == 3:  # a unit set aside because it was in flight at too many kills
                    assert "set aside" in result.text, result
                    counts["ended with units set aside"] += 1
                    continue
                break
            pids = run.rank_pids()
            committed |= done_units(file)
            launcher = not pids or chance.random() < 0.25
            kill(run.process.pid if launcher else chance.choice(pids))
            killed_at, there = time.monotonic(), file.exists()
            result = run.wait(END_S)
            if result.returncode == 0:  # the rank had left before
                assert "done: " in result.text, result
                break
            counts["kills"] += 1
            counts["of the launcher" if launcher else "of a rank"] += 1
            counts["before the file was there" if not there else
                   "before a commit" if not committed else "after commits"] += 1
            wait_until(lambda: not any(alive(pid) for pid in pids), END_S, "the ranks' end")
            counts["slowest end, ms"] = max(counts["slowest end, ms"], int(1000 * (time.monotonic() - killed_at)))
            if not file.exists():
                continue
            now = done_units(file)
            assert committed <= now, f"{len(committed - now)} committed units were lost"
            half_done = read_anndata(file)
            assert half_done.obs["done"].sum() >= len(now) > 0 or not now
        assert_equal_results(folder / "reference.h5ad", file)
        same(file)
        counts["rounds"] += 1
        print(f"  {name}: {dict(counts)}", flush=True)
    print(f"{name}: {counts['kills']} kills, 0 committed units lost, 0 files unreadable, 0 hangs, "
          f"{counts['rounds']} rounds with equal bytes", flush=True)


def lentimpra(folder):
    lentimpra_bytes_test.prepare(folder)
    disturb("lentimpra", folder, lambda name: ["lentimpra", "--config", folder / "screen.toml", "--output", folder / name, "--set",
                                               "commit.seconds=0.05", "--set", "commit.units=1", "--set", "sites.insertions=120"],
            lambda file: None)


def jacobian(folder):
    jacobian_test.prepare(folder)
    (folder / "jacobian.toml").write_text(jacobian_test.settings(folder, folder / "unused.h5ad"))
    disturb("jacobian", folder, lambda name: ["jacobian", "--config", folder / "jacobian.toml", "--output", folder / name, "--set",
                                              "commit.seconds=0.05", "--set", "units.rows=2"], lambda file: None)


def folds(folder):
    folds_test.prepare(folder)

    def equal_weights(file):
        for one in (folder / "reference.h5ad.weights").iterdir():
            assert one.read_bytes() == (folder / f"{file.name}.weights" / one.name).read_bytes(), one.name

    disturb("folds", folder, lambda name: folds_test.folds(folder, *folds_test.BLOCKS, output=name), equal_weights)


if __name__ == "__main__":
    assert MPIRA
    run_cases([lentimpra, jacobian, folds])
