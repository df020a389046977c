#!/usr/bin/env python3
"""How near to ideal units are handed out: mpira beside mpi4py.futures, interleaved on one machine.

    cmake --build --preset release --target mpira_perf_dispatch
    .deps/venv/bin/python perf/dispatch.py [--ranks 4] [--repeats 3] [--scale 1.0] [--json FILE]

Two loads, as in the measurement of peers that the design rests on: 20,000 units that sleep 1 ms, and 8,000 whose
sleep is lognormal (sigma 1.5, mean 4.8 ms). Units sleep, so that ranks don't compete for cores. mpira runs a whole
campaign on `ranks` ranks, rank 0 leading and working, with result file, journal and commits, timed from the first
claim to the last commit. mpi4py.futures gets a manager beside its `ranks` workers, writes nothing, and is timed from
the first submission to the last result, pool started and warmed up.

ratio = makespan / max(sum / ranks, longest); 1 is ideal. The median of the repeats is printed with its range.
"""
import argparse
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MPI_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}


def loads(scale):
    draw = random.Random(20261121)
    sigma, mean_s = 1.5, 4.8e-3
    heavy = [draw.lognormvariate(0, sigma) for _ in range(int(8000 * scale))]
    factor = mean_s * len(heavy) / sum(heavy)
    return {"1 ms": [1e-3] * int(20000 * scale), "heavy-tailed": [x * factor for x in heavy]}


def run(command, ranks):
    result = subprocess.run(["mpirun", "-n", str(ranks), *command], env={**os.environ, **MPI_SETTINGS},
                            capture_output=True, text=True, timeout=600)
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode != 0 or not lines:
        sys.exit(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stderr}")
    return json.loads(lines[-1])


def mpira(program, durations, result, costs, ranks):
    return run([program, durations, result, costs], ranks)


def futures(durations, chunk, ranks):
    return run([sys.executable, "-m", "mpi4py.futures", __file__, "--manager", durations, str(chunk)], ranks + 1)


def nap(seconds):
    time.sleep(seconds)
    return 1


def manager(durations, chunk):
    from mpi4py.futures import MPIPoolExecutor

    data = Path(durations).read_bytes()
    seconds = list(struct.unpack(f"{len(data) // 8}d", data))
    with MPIPoolExecutor() as pool:
        pool.bootup(wait=True)
        list(pool.map(nap, [0.001] * 64))
        start = time.perf_counter()
        done = sum(pool.map(nap, seconds, chunksize=chunk, unordered=True))
        print(json.dumps({"makespan_s": time.perf_counter() - start, "done": done}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the units, for a quick look")
    parser.add_argument("--program", default=ROOT / "build/release/perf/mpira_perf_dispatch")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ratios, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        result = f"{folder}/result.h5ad"
        for load, seconds in loads(options.scale).items():
            durations = f"{folder}/{load.replace(' ', '-')}.f64"
            Path(durations).write_bytes(struct.pack(f"{len(seconds)}d", *seconds))
            ideal_s = max(sum(seconds) / options.ranks, max(seconds))
            variants = {
                "mpira, costs known": lambda: mpira(options.program, durations, result, "known", options.ranks),
                "mpira, costs unknown": lambda: mpira(options.program, durations, result, "unknown", options.ranks),
                "mpi4py.futures, chunk 1": lambda: futures(durations, 1, options.ranks),
                "mpi4py.futures, chunk 64": lambda: futures(durations, 64, options.ranks),
            }
            for _ in range(options.repeats):
                for name, measure in variants.items():
                    outcome = measure()
                    if outcome["done"] != len(seconds):
                        sys.exit(f"{name}: {outcome['done']} of {len(seconds)} units done")
                    ratios.setdefault((load, name), []).append(outcome["makespan_s"] / ideal_s)
            for name in variants:
                values = ratios[load, name]
                rows.append({"load": load, "units": len(seconds), "ideal_s": ideal_s, "who": name,
                             "ratio": statistics.median(values), "least": min(values), "most": max(values)})
    print(f"{options.ranks} workers, {options.repeats} interleaved runs, load average {os.getloadavg()[0]:.1f}")
    print("| load | ideal s | who | makespan / ideal | range |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['units']:,} x {row['load']} | {row['ideal_s']:.2f} | {row['who']} | {row['ratio']:.3f} "
              f"| {row['least']:.3f}-{row['most']:.3f} |")
    if options.json:
        options.json.write_text(json.dumps({"machine": os.uname().machine,
                                            "cores": os.cpu_count(), "rows": rows}, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--manager"]:
        manager(sys.argv[2], int(sys.argv[3]))
    else:
        main()
