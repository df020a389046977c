#!/usr/bin/env python3
"""A data-parallel training step on two ranks: ours beside PyTorch's DistributedDataParallel with gloo, interleaved.

    launch/build release --target perf_programs
    LD_LIBRARY_PATH=.deps/torch-stubs .deps/venv/bin/python perf/ddp.py [--rounds 3] [--steps 6] [--json FILE]

GET on windows of 200 regions, 283 features, 2 outputs; one thread a rank, buckets of 25 MiB on both sides, the same
LibTorch, fused AdamW. A step is forward, backward, sums over the ranks, update; its time is the slowest rank's, a run's
is the median of its steps without the first two (DDP cuts its buckets anew after the first). DDP runs with
gradient_as_bucket_view, its faster setting. What sums add is measured beside two ranks that train apart, at once: in
time, and in CPU seconds of both ranks, which others on the machine disturb less; they hold what the sums compute, not how
long a rank waits for the other.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from interleaved import arguments, finished, keep, load_average, spread, start, told

REGIONS, FEATURES, HEADS = 200, 283, 12


def peer(rank, store, dim, depth, samples, steps, bucket_mb):
    """One rank of the PyTorch side."""
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    from get_torch import Get

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(1)
    net = DistributedDataParallel(Get(FEATURES, dim, depth, HEADS, outputs=2), bucket_cap_mb=bucket_mb, gradient_as_bucket_view=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
    x, y = torch.rand(samples, REGIONS, FEATURES), torch.rand(samples, REGIONS, 2)
    seconds, cpu_seconds = [], []
    for _ in range(steps):
        dist.barrier()
        begin, cpu_begin = time.monotonic(), time.process_time()
        optimiser.zero_grad(set_to_none=True)
        p = net(x)
        (p - y * torch.log(p + 1e-8)).mean().backward()
        optimiser.step()
        slowest = torch.tensor(time.monotonic() - begin, dtype=torch.float64)
        cpu_seconds.append(time.process_time() - cpu_begin)
        dist.all_reduce(slowest, dist.ReduceOp.MAX)
        seconds.append(slowest.item())
    if rank == 0:
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds}))
    dist.destroy_process_group()


def time_of(*processes):
    """Of a step, in seconds and CPU seconds; the first process is the one that tells."""
    what = told(finished(*processes)[0][0])
    return tuple(statistics.median(what[clock][2:]) for clock in ("seconds", "cpu_seconds"))


def ddp(options, shape):
    with tempfile.TemporaryDirectory() as folder:
        return time_of(*(start(sys.executable, __file__, "--peer", rank, Path(folder) / "store", *shape,
                               options.steps, options.bucket_mb) for rank in range(2)))


def ours(options, shape, how):
    return time_of(start("mpirun", "-n", 2, options.build / "perf/ddp", how, *shape, options.steps, options.bucket_mb))


def main():
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--steps", type=int, default=6, help="of a run; the first two don't count")
    parser.add_argument("--bucket-mb", type=float, default=25)
    parser.add_argument("--shapes", default="768x4x2,768x12x2,768x4x8,768x12x8,768x4x1,768x12x1",
                        help="dim x depth x samples a rank")
    parser.add_argument("--without-peer", action="store_true", help="only what sums add")
    options = parser.parse_args()
    rows = []
    for text in options.shapes.split(","):
        shape = tuple(map(int, text.split("x")))
        rounds = []
        for number in range(options.rounds):
            row = {} if options.without_peer else {"DDP": ddp(options, shape)}
            row |= {"ours": ours(options, shape, "buckets"), "apart": ours(options, shape, "apart")}
            rounds.append(row)
            print(f"{text} round {number + 1}: "
                  + ", ".join(f"{name} {wall:.3f} s (CPU {cpu:.3f})" for name, (wall, cpu) in row.items()), flush=True)
        rows.append((text, rounds))
    print(f"{options.rounds} rounds, {load_average()}\n"
          "| shape | DDP, s | ours, s | DDP / ours (range) | sums add (range), % | CPU seconds added (range), % |\n"
          "|---|---|---|---|---|---|")
    for text, rounds in rows:
        median = {name: statistics.median(row[name][0] for row in rounds) for name in rounds[0]}
        ratio, its_range = spread([row["DDP"][0] / row["ours"][0] for row in rounds]) if "DDP" in rounds[0] else ("-", "-")
        added = [spread([100 * (row["ours"][clock] / row["apart"][clock] - 1) for row in rounds], 1) for clock in (0, 1)]
        of_ddp = f"{median['DDP']:.3f}" if "DDP" in median else "-"
        print(f"| {text} | {of_ddp} | {median['ours']:.3f} | {ratio} ({its_range}) | "
              + " | ".join(f"{middle} ({its_range})" for middle, its_range in added) + " |")
    keep(options.json, rounds=dict(rows))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        rank, store, dim, depth, samples, steps, bucket_mb = sys.argv[2:]
        peer(int(rank), store, int(dim), int(depth), int(samples), int(steps), float(bucket_mb))
    else:
        main()
