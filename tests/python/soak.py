"""A long campaign of small units under launch/campaign, with a kill -9 a minute of a rank or the launcher, while the ranks'
memory is watched. By hand: --units=200000 --ranks=4 --minutes=10 --seed=1.

At the end it is complete, no unit was set aside, its bytes equal those of an undisturbed run, and no rank's memory grew
from one start to the next kill.
"""
import os
import random
import subprocess
import time
from pathlib import Path

from mpira_test import MPIEXEC, MPIRA, assert_equal_results, descendants, done_units, executable, kill, mpira, option, run_cases, status

CAMPAIGN = Path(__file__).resolve().parents[2] / "launch" / "campaign"
WATCH_S = 5
KILL_S = 60
GROWTH = 1.05  # what a rank may have more at its end than after its first half minute


def own_mb(pid):
    """Memory of its own: what is shared with the other ranks (libraries, the file's pages) is not a leak's."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Anonymous:")) / 1024


def ranks_of(process):
    return [pid for pid in descendants(process.pid) if executable(pid) == os.path.realpath(MPIRA)]


def launchers_of(process):
    return [pid for pid in descendants(process.pid) if os.path.basename(executable(pid)) in ("orterun", "mpirun", "prterun")]


def soak(folder):
    units, ranks, minutes = option("units", 200_000), option("ranks", 4), option("minutes", 10)
    chance = random.Random(option("seed", 1))
    mean_ms = minutes * 60_000 * ranks / units
    base = ["--set", f"rows={units}", "--set", "rows_per_unit=1", "--set", "columns=8", "--set", "duration.sigma=1"]
    file, reference = folder / "soak.h5ad", folder / "reference.h5ad"
    mpira("synthetic", *base, "--set", "duration.mean_ms=0", "--output", reference, ranks=2, code=0, timeout=600)
    run = subprocess.Popen([CAMPAIGN, "--ranks", str(ranks), "--oversubscribe", "synthetic", *base, "--set", f"duration.mean_ms={mean_ms}",
                            "--output", file], stdout=subprocess.DEVNULL, stderr=open(folder / "log", "w"), start_new_session=True,
                           env=os.environ | {"MPIRA": MPIRA, "MPIRA_MPIEXEC": MPIEXEC})
    begin = last_kill = time.monotonic()
    memory, ages, kills, growths, largest = {}, {}, [], [], 0.0
    committed = set()

    def settle():
        """The growth of ranks that lived long enough to tell."""
        for pid, samples in memory.items():
            later = [mb for age, mb in samples if age >= 30]
            if len(later) >= 2:
                growths.append(later[-1] / later[0])
        memory.clear()
        ages.clear()

    while run.poll() is None:
        time.sleep(WATCH_S)
        now = time.monotonic()
        for pid in ranks_of(run):
            mb = own_mb(pid)
            if mb is None:
                continue
            ages.setdefault(pid, now)
            memory.setdefault(pid, []).append((now - ages[pid], mb))
            largest = max(largest, mb)
        if now - last_kill >= KILL_S and ranks_of(run):
            settle()
            before = done_units(file)
            assert committed <= before, "committed units were lost"
            launcher = chance.random() < 0.25
            kill(chance.choice(launchers_of(run) if launcher else ranks_of(run)))
            kills.append("launcher" if launcher else "rank")
            committed = before
            last_kill = now
            print(f"  {now - begin:.0f} s: {len(before)} units done, {kills[-1]} killed, largest rank {largest:.1f} MB", flush=True)
    settle()
    seconds = time.monotonic() - begin
    assert run.returncode == 0, (run.returncode, (folder / "log").read_text()[-3000:])
    now = status(file)
    assert now["outcome"] == "done" and now["done"] == units and now["failed"] == 0, now
    assert committed <= done_units(file)
    assert_equal_results(reference, file)
    mpira("verify", file, code=0, timeout=300)
    worst = max(growths, default=1.0)
    print(f"  {units} units, {ranks} ranks, {seconds:.0f} s, {len(kills)} kills ({kills.count('launcher')} of the launcher): complete, "
          f"bytes equal; own memory of a rank at most {largest:.1f} MB, after its first half minute times {worst:.3f} at most "
          f"({len(growths)} ranks)", flush=True)
    assert worst < GROWTH, growths


if __name__ == "__main__":
    run_cases([soak])
