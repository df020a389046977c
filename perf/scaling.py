#!/usr/bin/env python3
"""The published campaign (200,000 elements x 600 insertions) on 1 to 16,384 ranks, by simulation with what was measured:
writes the tables of perf/scaling.md (to standard output) and perf/scaling/*.svg.

    launch/build release --target perf_programs
    .deps/venv/bin/python perf/scaling.py --measure --folder /scratch/me    # writes perf/scaling/measured.json
    .deps/venv/bin/python perf/scaling.py > tables.md

Every input is in the first table that it prints, with its source: INPUTS below (pages of perf/results, and what is assumed), and
measured.json, which --measure takes on this machine: the leader's CPU time a unit and a message's latency (perf/leader, shared
memory and TCP), a commit's two syncs and the bandwidth of unit writes (perf/write) on --folder: name the file system that
results will have. The simulation is deterministic: the same inputs give the same tables and plots.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from interleaved import ENVIRONMENT, ROOT, load_average, pyplot, table, told

MEASURED = ROOT / "perf/scaling/measured.json"
WINDOWS = 1800  # an element: 600 each with it, without it, and with its shuffles
INPUTS = {  # name: (value, unit, source)
    "core_windows_per_s": (6.91, "windows / CPU s at 768x12, f32",
                           "insertion path, perf/results/2026-11-30-epyc-host-attention.md"),
    "gpu_windows_per_s": (12_900, "windows/s at 768x12, bf16, with cuDNN's attention (not the default)",
                          "whole screen on one H200, the least of 12,900 to 13,380, perf/results/2026-11-27-h200.md"),
    "windows": (WINDOWS, "windows an element", "600 with it, 600 with its shuffles, 600 without it; none of these known before"),
    "units": (200_000, "units, an element each", "the published campaign"),
    "unit_kb": (2.0, "kB a unit", "statistics and 282 features of a row, its journal rows"),
    "unit_kb_raw": (6.8, "kB a unit with results.raw = f32", "the same and 600 x 2 predictions"),
    "unit_kb_matrix": (226.0, "kB a unit of a whole Jacobian", "200 x 283 in f32"),
    "shared_mb_per_s": (200.0, "MB/s of a slower file system, for comparison", "assumed"),
    "sigma": (0.05, "sd of log seconds between units", "assumed: about what machines differ by"),
    "core_start_s": (3.0, "s until a rank asks for its first unit, a core a rank", "assumed: the bar of perf/run's start"),
    "gpu_start_s": (20.0, "s, a GPU a rank", "assumed: from a local disk it was some 3 s (the page of the H200); more where thousands read one file"),
}
RANKS = (1, 8, 64, 512, 4096, 16384)


def given(name):
    return INPUTS[name][0]


MACHINES = {kind: {"mean": WINDOWS / given(f"{kind}_windows_per_s"), "start": given(f"{kind}_start_s")} for kind in ("core", "gpu")}
MACHINES["core"]["name"] = f"a core a rank, {MACHINES['core']['mean']:.0f} s an element"
MACHINES["gpu"]["name"] = f"an H200 a rank (cuDNN's attention), {MACHINES['gpu']['mean']:.2f} s an element"


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


def write_mb_per_s(build, folder, ranks=4):
    """MB/s of all ranks' committed units of 1 MiB in one file, the default way: the median of rounds."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = ["mpirun", "-n", ranks, build / "perf/write", place, 5]
        result = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    found = re.search(r"^direct +([\d.]+)", result.stdout, re.MULTILINE)
    if result.returncode != 0 or not found:
        sys.exit(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stderr}")
    return float(found[1]) * 2**20 / 1e6


def measure(build, folder):
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {"machine": f"{os.cpu_count()} cores of {processor[1] if processor else platform.machine()}",
            "file_system": subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True).stdout.strip(),
            "shared_memory": leader(build, "self,vader"), "tcp": leader(build, "self,tcp"), "commit_s": commit_s(folder),
            "write_mb_per_s": write_mb_per_s(build, folder), "load": load_average(), "date": time.strftime("%Y-%m-%d")}


class Simulator:
    def __init__(self, program, measured):
        self.program = program
        ways = measured["shared_memory"], measured["tcp"]
        # The simulator's service is of one message; a unit has two, and its part of a commit's.
        self.service_us = max(one["leader_us"] for one in ways) / 2
        self.measured = {"service-us": self.service_us, "latency-us": max(one["latency_us"] for one in ways),
                         "commit-s": measured["commit_s"], "file-system-mb-s": measured["write_mb_per_s"]}

    def __call__(self, machine, ranks=RANKS, units=given("units"), **options):
        settings = {"units": units, "mean-s": MACHINES[machine]["mean"], "sigma": given("sigma"),
                    "start-s": MACHINES[machine]["start"], "unit-kb": given("unit_kb"), "estimate-error": 0.0} | self.measured | {
                        key.replace("_", "-"): value for key, value in options.items()}
        command = [self.program, "simulate", "--json", "--ranks", ",".join(map(str, ranks))]
        for key, value in settings.items():
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
    parser.add_argument("--measure", action="store_true", help="take what depends on the machine anew")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where commits and writes are measured")
    parser.add_argument("--plots", type=Path, default=MEASURED.parent)
    options = parser.parse_args()
    if options.measure:
        MEASURED.write_text(json.dumps(measure(options.build, options.folder), indent=1) + "\n")
        print(f"perf/scaling.py: {MEASURED.relative_to(ROOT)} written", file=sys.stderr)
    measured = json.loads(MEASURED.read_text())
    simulate = Simulator(options.build / "bin/mpira", measured)
    here = f"{measured['machine']}, {measured['date']}, {measured['load']}"
    print("What it is given:\n")
    table(["", "unit", "source"],
          [[f"{value:,}", unit, source] for value, unit, source in INPUTS.values()]
          + [[f"{measured[way]['leader_us']:.2f}", f"CPU us of the leader a unit, {name}", f"perf/leader, {here}"]
             for way, name in (("shared_memory", "shared memory"), ("tcp", "TCP (loopback)"))]
          + [[f"{measured[way]['latency_us']:.2f}", f"us a message, {name}", "the same"]
             for way, name in (("shared_memory", "shared memory"), ("tcp", "TCP (loopback)"))]
          + [[f"{1e3 * measured['commit_s']:.1f}", "ms a commit of 64 rows, two syncs", f"median of 40, local {measured['file_system']}, the same"],
             [f"{measured['write_mb_per_s']:,.0f}", "MB/s the file system takes of all ranks", "perf/write, 4 ranks, direct, the same disk"]])

    cases = {"undisturbed": {}, "1 % of ranks 4 times slower": {"straggler-share": 0.01},
             "3 deaths": {"deaths": 3, "restart-s": 60}, "both": {"straggler-share": 0.01, "deaths": 3, "restart-s": 60}}
    for machine, facts in MACHINES.items():
        print(f"**{facts['name']}**: efficiency, start and last commit included\n")
        by_case = {case: simulate(machine, **given) for case, given in cases.items()}
        calm = by_case["undisturbed"]
        table(["ranks", "ideal", *cases, "lost by deaths"],
              [[f"{one['ranks']:,}", duration(one["ideal_s"]), *(f"{by_case[case][i]['efficiency']:.3f}" for case in cases),
                f"{by_case['3 deaths'][i]['lost_share']:.1%}"] for i, one in enumerate(calm)])
        table(["ranks", "messages/s", "leader busy", "leader's tables", "longest wait for the leader", "commits/s", "MB/s", "of the measured"],
              [[f"{one['ranks']:,}", f"{one['messages_per_s']:,.1f}", f"{one['leader_busy_share']:.3%}",
                f"{one['leader_bytes'] / 2**20:.1f} MiB", f"{1e3 * one['leader_longest_wait_s']:.1f} ms",
                f"{one['commits_per_s']:,.1f}", f"{one['written_mb_per_s']:.3f}",
                f"{one['written_mb_per_s'] / measured['write_mb_per_s']:.2%}"] for one in calm])
        plot(options.plots / f"efficiency-{machine}.svg",
             {case: [(one["ranks"], one["efficiency"]) for one in results] for case, results in by_case.items()},
             facts["name"], "ranks", "efficiency")

    print("**Where the leader is the limit**: 16,384 ranks, 60 units each, undisturbed, start not counted\n")
    lengths, rows, lines = (0.01, 0.03, 0.1, 0.3, 1, 3), [], {}
    for service in sorted({simulate.service_us, 10.0}):
        results = [simulate("gpu", ranks=(16384,), units=60 * 16384, **{"mean-s": length, "start-s": 0, "service-us": service})[0]
                   for length in lengths]
        label = f"{service:.2g} us a message" + (" (measured)" if service == simulate.service_us else "")
        lines[label] = [(length, one["efficiency"]) for length, one in zip(lengths, results)]
        rows += [[f"{service:.2g} us", f"{length:g} s", f"{one['efficiency']:.3f}", f"{one['leader_busy_share']:.1%}",
                  f"{one['messages_per_s']:,.0f}"] for length, one in zip(lengths, results)]
    table(["the leader's time for a message", "a unit", "efficiency", "leader busy", "messages/s"], rows)
    plot(options.plots / "leader.svg", lines, "16,384 ranks: where the leader is the limit", "seconds of a unit", "efficiency")

    print("**Where commits are the limit**: units of 1 s, 60 a rank, commits every 5 s; how many the file system takes of all ranks\n")
    rows, lines = [], {}
    for takes in (100, 1000, 10000):
        results = [simulate("gpu", ranks=(count,), units=60 * count, **{"mean-s": 1, "start-s": 0, "file-system-commits": takes})[0]
                   for count in RANKS]
        lines[f"{takes:,} commits/s"] = [(one["ranks"], one["efficiency"]) for one in results]
        rows += [[f"{takes:,}", f"{one['ranks']:,}", f"{one['efficiency']:.3f}", f"{one['commit_longest_s']:.1f} s",
                  f"{one['file_system_busy_share']:.1%}"] for one in results if one["ranks"] >= 64]
    table(["commits/s it takes", "ranks", "efficiency", "longest commit", "file system busy"], rows)
    plot(options.plots / "file-system.svg", lines, "units of 1 s: where commits are the limit", "ranks", "efficiency")

    print("**Where write bandwidth is the limit**: units of 1 s, 60 a rank; MB/s that the file system takes of all ranks\n")
    rows, lines = [], {}
    for takes, source in ((measured["write_mb_per_s"], "measured"), (given("shared_mb_per_s"), "assumed")):
        for name, what in (("unit_kb", "statistics"), ("unit_kb_raw", "raw predictions too"), ("unit_kb_matrix", "a whole Jacobian")):
            results = [simulate("gpu", ranks=(count,), units=60 * count,
                                **{"mean-s": 1, "start-s": 0, "unit-kb": given(name), "file-system-mb-s": takes})[0] for count in RANKS]
            lines[f"{given(name):g} kB, {what}; {takes:,.0f} MB/s {source}"] = [(one["ranks"], one["efficiency"]) for one in results]
            rows += [[f"{takes:,.0f} ({source})", f"{given(name):g} kB, {what}", f"{one['ranks']:,}", f"{one['ranks'] * given(name) / 1000:,.1f}",
                      f"{one['efficiency']:.3f}", f"{one['commit_longest_s']:.1f} s", f"{one['file_system_busy_share']:.1%}"]
                     for one in results if one["ranks"] >= 512]
    table(["MB/s it takes", "a unit", "ranks", "MB/s asked for", "efficiency", "longest commit", "bandwidth used"], rows)
    plot(options.plots / "write-bandwidth.svg", lines, "units of 1 s: where write bandwidth is the limit", "ranks", "efficiency")


if __name__ == "__main__":
    main()
