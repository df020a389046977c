#!/usr/bin/env python3
"""The published campaign (200,000 elements x 600 insertions) on 1 to 16,384 ranks, by simulation with what was measured
here: writes the tables of perf/scaling.md (to standard output) and perf/scaling/*.svg.

    launch/build release --target perf_programs && launch/build release --target mpira
    .deps/venv/bin/python perf/scaling.py --folder /scratch/me > tables.md

What is measured first, on this machine: the leader's CPU time a unit and a message's latency (perf/leader, shared memory
and TCP), and a commit's two syncs (on --folder: name the file system that results will have). What is not measured here
is given: an element's seconds on a core (perf/results) and on a GPU (the bar of the design), what the file system takes.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from interleaved import ENVIRONMENT, ROOT, load_average, pyplot, table, told

RANKS = (1, 8, 64, 512, 4096, 16384)
UNITS = 200_000
UNIT_KB = 2.0  # a row of statistics and features at 282 motifs, its journal rows
# An element with both controls at 768 x 12: 11.4 CPU minutes (perf/results/2026-11-21-epyc-2core-quiet.md). A GPU at the
# 12,000 windows/s that the design asks of an H200: 600 windows with the element, 600 with shuffles, and the uninserted ones
# remembered. Not measured: a bar.
MACHINES = {"core": {"mean": 684.0, "start": 3.0, "name": "a core a rank, 684 s an element (measured)"},
            "gpu": {"mean": 0.1, "start": 20.0, "name": "a GPU a rank, 0.1 s an element (the bar, not measured)"}}
SIGMA = 0.05  # between units, about what machines differ by


def leader(build, btl):
    command = ["mpirun", "-n", "4", "--mca", "btl", btl, build / "perf/leader", "100000"]
    result = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stderr}")
    return told(result.stdout)


def commit_s(folder, rounds=40):
    """Two times 64 rows written and synced, as a commit does: the median of some."""
    file = Path(folder) / "scaling.bin"
    seconds = []
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, 1 << 24)
        os.fsync(descriptor)
        for i in range(rounds):
            begin = time.perf_counter()
            os.pwrite(descriptor, bytes(64 * 2048), i << 18)
            os.fdatasync(descriptor)
            os.pwrite(descriptor, bytes(64 * 128), (i << 18) + (1 << 17))
            os.fdatasync(descriptor)
            seconds.append(time.perf_counter() - begin)
    finally:
        os.close(descriptor)
        file.unlink()
    return statistics.median(seconds)


class Simulator:
    def __init__(self, program, measured):
        self.program, self.measured = program, measured

    def __call__(self, machine, ranks=RANKS, units=UNITS, **options):
        given = {"units": units, "mean-s": MACHINES[machine]["mean"], "sigma": SIGMA, "start-s": MACHINES[machine]["start"],
                 "latency-us": self.measured["latency_us"], "service-us": self.measured["service_us"],
                 "commit-s": self.measured["commit_s"], "unit-kb": UNIT_KB, "estimate-error": 0.0} | {
                     key.replace("_", "-"): value for key, value in options.items()}
        command = [self.program, "simulate", "--json", "--ranks", ",".join(map(str, ranks))]
        for key, value in given.items():
            command += [f"--{key}", value]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stderr}")
        return json.loads(result.stdout)


def duration(seconds):
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s"


def plot(file, series, title, x, y, log_y=False):
    figure, axes = pyplot().subplots(figsize=(6.4, 3.6), layout="constrained")
    for label, points in series.items():
        axes.plot(*zip(*points), marker="o", markersize=3, label=label)
    axes.set(xscale="log", title=title, xlabel=x, ylabel=y, **({"yscale": "log"} if log_y else {"ylim": (0, 1.03)}))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot().close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the commit's syncs are measured")
    parser.add_argument("--plots", type=Path, default=ROOT / "perf/scaling")
    options = parser.parse_args()

    shared, tcp = leader(options.build, "self,vader"), leader(options.build, "self,tcp")
    # The simulator's service is of one message; a unit has two, and its part of a commit's.
    measured = {"service_us": max(shared["leader_us"], tcp["leader_us"]) / 2,
                "latency_us": max(shared["latency_us"], tcp["latency_us"]), "commit_s": commit_s(options.folder)}
    simulate = Simulator(options.build / "bin/mpira", measured)
    print(f"measured ({load_average()}):\n")
    table(["", "shared memory", "TCP (loopback)"],
          [["leader, CPU us a unit", f"{shared['leader_us']:.2f}", f"{tcp['leader_us']:.2f}"],
           ["a message, us", f"{shared['latency_us']:.2f}", f"{tcp['latency_us']:.2f}"]])
    print(f"a commit of 64 rows, two syncs: {1e3 * measured['commit_s']:.1f} ms, median of 40\n")

    cases = {"undisturbed": {}, "1 % of ranks 4 times slower": {"straggler-share": 0.01},
             "3 deaths": {"deaths": 3, "restart-s": 60}, "both": {"straggler-share": 0.01, "deaths": 3, "restart-s": 60}}
    for machine, facts in MACHINES.items():
        print(f"**{facts['name']}**: efficiency, start and last commit included\n")
        by_case = {case: simulate(machine, **given) for case, given in cases.items()}
        calm = by_case["undisturbed"]
        table(["ranks", "ideal", *cases, "lost by deaths"],
              [[f"{one['ranks']:,}", duration(one["ideal_s"]), *(f"{by_case[case][i]['efficiency']:.3f}" for case in cases),
                f"{by_case['3 deaths'][i]['lost_share']:.1%}"] for i, one in enumerate(calm)])
        table(["ranks", "messages/s", "leader busy", "leader's tables", "longest wait for the leader", "commits/s", "MB/s"],
              [[f"{one['ranks']:,}", f"{one['messages_per_s']:,.1f}", f"{one['leader_busy_share']:.3%}",
                f"{one['leader_bytes'] / 2**20:.1f} MiB", f"{1e3 * one['leader_longest_wait_s']:.1f} ms",
                f"{one['commits_per_s']:,.1f}", f"{one['written_mb_per_s']:.3f}"] for one in calm])
        plot(options.plots / f"efficiency-{machine}.svg",
             {case: [(one["ranks"], one["efficiency"]) for one in results] for case, results in by_case.items()},
             facts["name"], "ranks", "efficiency")

    print("**Where the leader is the limit**: 16,384 ranks, 60 units each, undisturbed, start not counted\n")
    lengths, rows, lines = (0.01, 0.03, 0.1, 0.3, 1, 3), [], {}
    for service in sorted({measured["service_us"], 10.0}):
        results = [simulate("gpu", ranks=(16384,), units=60 * 16384, **{"mean-s": length, "start-s": 0, "service-us": service})[0]
                   for length in lengths]
        label = f"{service:.2g} us a message" + (" (measured)" if service == measured["service_us"] else "")
        lines[label] = [(length, one["efficiency"]) for length, one in zip(lengths, results)]
        rows += [[f"{service:.2g} us", f"{length:g} s", f"{one['efficiency']:.3f}", f"{one['leader_busy_share']:.1%}",
                  f"{one['messages_per_s']:,.0f}"] for length, one in zip(lengths, results)]
    table(["the leader's time for a message", "a unit", "efficiency", "leader busy", "messages/s"], rows)
    plot(options.plots / "leader.svg", lines, "16,384 ranks: where the leader is the limit", "seconds of a unit", "efficiency")

    print("**Where the file system is the limit**: units of 1 s, 60 a rank, commits every 5 s; what it takes of all ranks\n")
    rows, lines = [], {}
    for takes in (100, 1000, 10000):
        results = [simulate("gpu", ranks=(count,), units=60 * count, **{"mean-s": 1, "start-s": 0, "file-system-commits": takes})[0]
                   for count in RANKS]
        lines[f"{takes:,} commits/s"] = [(one["ranks"], one["efficiency"]) for one in results]
        rows += [[f"{takes:,}", f"{one['ranks']:,}", f"{one['efficiency']:.3f}", f"{one['commit_longest_s']:.1f} s",
                  f"{one['file_system_busy_share']:.1%}"] for one in results if one["ranks"] >= 64]
    table(["commits/s it takes", "ranks", "efficiency", "longest commit", "file system busy"], rows)
    plot(options.plots / "file-system.svg", lines, "units of 1 s: where the file system is the limit", "ranks", "efficiency")


if __name__ == "__main__":
    main()
