#!/usr/bin/env python3
"""How near to ideal units are handed out: mpira beside mpi4py.futures, interleaved on one machine.

    launch/build release --target perf_programs
    .deps/venv/bin/python perf/dispatch.py [--ranks 4] [--rounds 3] [--scale 1.0] [--peers FOLDER] [--json FILE]

Two loads, as in the measurement of peers that the design rests on: 20,000 units that sleep 1 ms, and 8,000 whose
sleep is lognormal (sigma 1.5, mean 4.8 ms). Units sleep, so that ranks don't compete for cores. mpira runs a whole
campaign on `ranks` ranks, rank 0 leading and working, with result file, journal and commits, timed from the first
claim to the last commit. mpi4py.futures gets a manager beside its `ranks` workers, writes nothing, and is timed from
the first submission to the last result, pool started and warmed up.

With --peers, where `pip install --target FOLDER hyperqueue` put it, also HyperQueue, with one worker of `ranks` slots: a unit
is a process there (`sleep`), which is what it is made for, and a start of one is part of what is timed. Where FOLDER/libcircle
is a clone of github.com/hpc/libcircle, also that: work stealing between `ranks` ranks, nothing written, timed without its start.

ratio = makespan / max(sum / ranks, longest); 1 is ideal. The median of the rounds is printed with its range.
"""
import json
import random
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

from interleaved import ROOT, arguments, finished, keep, load_average, spread, start, told


def loads(scale):
    draw = random.Random(20261121)
    sigma, mean_s = 1.5, 4.8e-3
    heavy = [draw.lognormvariate(0, sigma) for _ in range(int(8000 * scale))]
    factor = mean_s * len(heavy) / sum(heavy)
    return {"1 ms": [1e-3] * int(20000 * scale), "heavy-tailed": [x * factor for x in heavy]}


def run(ranks, *command):
    return told(finished(start("timeout", 600, "mpirun", "-n", ranks, *command))[0][0])


def mpira(options, durations, result, costs):
    return run(options.ranks, options.build / "perf/dispatch", durations, result, costs)


def futures(options, durations, chunk):
    return run(options.ranks + 1, sys.executable, "-m", "mpi4py.futures", __file__, "--manager", durations, chunk)


def libcircle(options, durations):
    return run(options.ranks, options.libcircle, durations)


def build_libcircle(sources, folder):
    """Compiled here, from its sources: no package has it. What its config.h would say is used nowhere."""
    program = Path(folder, "libcircle")
    Path(folder, "config.h").touch()
    finished(start("mpicc", "-O2", "-I", folder, "-I", sources, ROOT / "perf/libcircle.c", *sorted(sources.glob("*.c")), "-o", program))
    return program


def hyperqueue(options, durations):
    """Over its Python client, in a process of its own."""
    process = start("timeout", 900, "env", f"PYTHONPATH={options.peers}", sys.executable, __file__, "--hyperqueue", durations, options.ranks)
    return told(finished(process)[0][0])


def hyperqueue_worker(durations, slots):
    from hyperqueue import Job, LocalCluster
    from hyperqueue.cluster import WorkerConfig

    data = Path(durations).read_bytes()
    seconds = struct.unpack(f"{len(data) // 8}d", data)
    with tempfile.TemporaryDirectory() as folder, LocalCluster(folder, WorkerConfig(cores=slots)) as cluster:
        client = cluster.client()

        def done(naps):
            job = Job()
            for nap_s in naps:
                job.program(["sleep", f"{nap_s:.6f}"], stdout=None, stderr=None, cwd=folder)
            client.wait_for_jobs([client.submit(job)])
            return len(naps)

        done([0.001] * 64)
        begin = time.perf_counter()
        count = done(seconds)
        print(json.dumps({"makespan_s": time.perf_counter() - begin, "done": count}), flush=True)


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
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the units, for a quick look")
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    ratios, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        result = f"{folder}/result.h5ad"
        sources = options.peers and options.peers / "libcircle/libcircle"
        options.libcircle = build_libcircle(sources, folder) if sources and sources.is_dir() else None
        for load, seconds in loads(options.scale).items():
            durations = f"{folder}/{load.replace(' ', '-')}.f64"
            Path(durations).write_bytes(struct.pack(f"{len(seconds)}d", *seconds))
            ideal_s = max(sum(seconds) / options.ranks, max(seconds))
            variants = {
                "mpira, costs known": lambda: mpira(options, durations, result, "known"),
                "mpira, costs unknown": lambda: mpira(options, durations, result, "unknown"),
                "mpi4py.futures, chunk 1": lambda: futures(options, durations, 1),
                "mpi4py.futures, chunk 64": lambda: futures(options, durations, 64),
            }
            if options.peers:
                variants["HyperQueue, a process a unit"] = lambda: hyperqueue(options, durations)
            if options.libcircle:
                variants["libcircle, work stealing"] = lambda: libcircle(options, durations)
            for _ in range(options.rounds):
                for name, measure in variants.items():
                    outcome = measure()
                    if outcome["done"] != len(seconds):
                        sys.exit(f"{name}: {outcome['done']} of {len(seconds)} units done")
                    ratios.setdefault((load, name), []).append(outcome["makespan_s"] / ideal_s)
            for name in variants:
                values = ratios[load, name]
                rows.append({"load": load, "units": len(seconds), "ideal_s": ideal_s, "who": name,
                             "ratio": statistics.median(values), "ratios": values})
    print(f"{options.ranks} workers, {options.rounds} interleaved runs, {load_average()}")
    print("| load | ideal s | who | makespan / ideal | range |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['units']:,} x {row['load']} | {row['ideal_s']:.2f} | {row['who']} | "
              f"{' | '.join(spread(row['ratios']))} |")
    keep(options.json, rows=rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--manager"]:
        manager(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["--hyperqueue"]:
        hyperqueue_worker(sys.argv[2], int(sys.argv[3]))
    else:
        main()
