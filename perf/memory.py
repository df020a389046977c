#!/usr/bin/env python3
"""Memory of a rank that screens 200,000 elements with the 768x12 network, beside what the published script holds for them, and
beside a rank that screens 1,000. Bars: less than 1 % of the script's, and within 64 MB of the few's.

    launch/quickstart && launch/build release
    LD_LIBRARY_PATH=.deps/torch-stubs .deps/venv/bin/python perf/memory.py [--elements 200000] [--size full|small]
        [--reference-elements 200] [--json FILE]

Ours: a campaign with both controls on two ranks, on the quickstart's atlas, from the start of the processes (the result
is created in that time) until some units are committed. Looked at every 50 ms, the larger rank: private memory (Private_Clean +
Private_Dirty of smaps_rollup; the mapped atlas and libraries don't count, they are the node's page cache), and VmHWM, the
kernel's own largest resident memory, mapped files included: nothing between two looks escapes it, and the share is taken of it.
Insertions and shuffles are fewer than the defaults, so that units end soon; rows are as large.

The published script's way (Fu et al. 2025) is run at a thousandth and at a tenth of that: a data set of windows, batches of 16,
and the whole (200, 2) prediction of each of an element's 600 windows kept to the end. Its peaks (VmHWM) give what an element adds,
which is projected; Python, PyTorch and the atlas, which do not grow, are left out. The network is a single layer there: its
output, which is what is kept, has the same shape. In its favour: the 600 copies of each element's vector that its data set
expects (another 0.7 MB an element) are not made, and glibc is told to give windows back to the kernel
(MALLOC_MMAP_THRESHOLD_); left to itself it kept so many of them between the predictions that the peak was many times as large.
"""
import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import screens
from interleaved import ENVIRONMENT, ROOT, arguments, finished, keep, load_average, start, told

sys.path[:0] = [str(ROOT / "tests/python"), str(ROOT / "launch")]

INSERTIONS, REGIONS, STRANDS, BATCH = 600, 200, 2, 16  # of the published screen
OURS = {"sites_insertions": 32, "controls_shuffles": 2}  # fewer, so that units end soon; rows are as large as with 600
COMMITTED = 4  # units
MB = 1024 / 1e6  # in what /proc calls kB


def of_status(pid, name):
    """MB of a line of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * MB
    return 0.0


def private_mb(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))) * MB


def ours(folder, count, options):
    """Private and largest resident MB of the larger rank."""
    os.environ["MPIRA"] = str(options.build / "bin/mpira")
    from mpira_test import Running, done_units
    from own_data import random_sequence, write_fasta

    rng = np.random.default_rng(1)
    elements, result = folder / f"{count}.fa", folder / f"{count}.h5ad"
    write_fasta(elements, ((f"element_{i}", random_sequence(rng, 200)) for i in range(count)))
    command = screens.screen(options.build, screens.untrained(options.size, folder, options.build), elements, result, **OURS)
    running = Running(*command[1:], ranks=2)
    private = resident = 0.0
    looks = 0
    while len(done_units(result)) < COMMITTED:
        if running.process.poll() is not None:
            sys.exit(f"perf/memory.py: {running.wait()}")
        for _ in range(10):  # the journal is read less often
            for pid in running.rank_pids():
                try:
                    private, resident = max(private, private_mb(pid)), max(resident, of_status(pid, "VmHWM"))
                except (FileNotFoundError, ProcessLookupError):
                    pass  # it is just ending
            looks += 1
            time.sleep(0.05)
    running.kill_all()
    running.wait()
    return {"elements": count, "private_mb": private, "resident_mb": resident, "looks": looks}


def reference_way(count):
    """The largest resident MB of a process that keeps every prediction."""
    import anndata
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(1)
    rows = np.asarray(anndata.read_h5ad(screens.DATA / "atlas.h5ad").X)
    rng = np.random.default_rng(1)
    vectors = rng.random((count, rows.shape[1]), np.float32)
    starts = rng.choice(len(rows) - REGIONS, count * INSERTIONS)
    network = torch.nn.Sequential(torch.nn.Linear(rows.shape[1], STRANDS), torch.nn.Softplus())

    class Windows(Dataset):
        def __len__(self):
            return len(starts)

        def __getitem__(self, number):
            window = rows[starts[number] : starts[number] + REGIONS].copy()
            window[REGIONS // 2] += vectors[number // INSERTIONS]
            return np.minimum(window, 1)

    kept = []
    with torch.no_grad():
        for windows in DataLoader(Windows(), batch_size=BATCH):
            kept.append(network(windows))
    assert sum(map(len, kept)) == count * INSERTIONS
    return of_status("self", "VmHWM")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--elements", type=int, default=200_000)
    parser.add_argument("--size", choices=screens.SIZES, default="full")
    parser.add_argument("--reference-elements", type=int, default=200)
    parser.add_argument("--reference-way", type=int, metavar="ELEMENTS", help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    screens.require_data()
    if options.reference_way:
        print(json.dumps({"peak_mb": reference_way(options.reference_way)}))
        return
    ENVIRONMENT["MALLOC_MMAP_THRESHOLD_"] = str(2**17)
    peak_mb = {count: told(finished(start(sys.executable, __file__, "--reference-way", count))[0][0])["peak_mb"]
               for count in (options.reference_elements // 10, options.reference_elements)}
    del ENVIRONMENT["MALLOC_MMAP_THRESHOLD_"]
    (fewer, least_mb), (more, most_mb) = peak_mb.items()
    projected_gb = (most_mb - least_mb) / (more - fewer) * options.elements / 1000
    with tempfile.TemporaryDirectory(prefix="mpira-memory-") as folder:
        few, many = (ours(Path(folder), count, options) for count in (1000, options.elements))
    share = many["resident_mb"] / 1000 / projected_gb
    more_mb = many["private_mb"] - few["private_mb"]
    dim, depth, *_ = screens.SIZES[options.size]
    print(f"the published way at its peak: {fewer} elements x {INSERTIONS} {least_mb:.0f} MB, {more} {most_mb:.0f} MB; projected to "
          f"{options.elements:,}: {projected_gb:.1f} GB (predictions alone {options.elements * INSERTIONS * REGIONS * STRANDS * 4 / 1e9:.0f})")
    for one in (few, many):
        print(f"the larger rank of {one['elements']:,} elements, {dim}x{depth}: private memory {one['private_mb']:.0f} MB, largest "
              f"resident {one['resident_mb']:.0f} MB ({one['looks']} looks)")
    print(f"share of the published way's: {share:.4f} (bar 0.01); {options.elements:,} elements take {more_mb:+.0f} MB more private "
          f"memory than 1,000 (bar 64); {load_average()}")
    keep(options.json, reference={"peak_mb": peak_mb, "projected_gb": projected_gb}, few=few, many=many, share=share, network=f"{dim}x{depth}")


if __name__ == "__main__":
    main()
