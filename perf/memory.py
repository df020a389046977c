#!/usr/bin/env python3
"""Private memory of a rank that screens 200,000 elements beside one that screens 1,000. Bar: within 64 MB.

usage: perf/memory.py [--elements=200000]   (a built release preset; the venv's Python)
Private memory is what smaps_rollup calls Private_Clean + Private_Dirty: the mapped atlas and library don't count,
they are the node's page cache. Read while units are running, the largest of ten looks.
"""
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "tests" / "python"))
os.environ.setdefault("MPIRA", str(here.parent / "build" / "release" / "bin" / "mpira"))
from mpira_test import Running, done_units, option, read_anndata, wait_until
from toy import make_inputs, random_sequence, screen_toml, write_fasta, write_weights


def private_mb(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))) / 1024


def measure(folder, count):
    rng = np.random.default_rng(1)
    write_fasta(folder / "elements.fa", ((f"element_{i}", random_sequence(rng, 200)) for i in range(count)))
    (folder / "screen.toml").write_text(screen_toml(
        folder, folder / f"{count}.h5ad",
        "[sites]\ninsertions = 20\n[controls]\nshuffles = 2\n[units]\nelements = 16\n[commit]\nunits = 4\n"))
    running = Running("lentimpra", "--config", folder / "screen.toml", ranks=2)
    wait_until(lambda: len(done_units(folder / f"{count}.h5ad")) >= 4, timeout=300, what="first commits")
    largest = 0.0
    for _ in range(10):
        if running.process.poll() is not None:
            break
        largest = max([largest, *(private_mb(pid) for pid in running.rank_pids())])
        time.sleep(0.2)
    running.kill_all()
    running.process.wait()
    return largest


def main():
    many = option("elements", 200_000)
    with tempfile.TemporaryDirectory(prefix="mpira-memory-") as name:
        folder = Path(name)
        make_inputs(folder)
        write_weights(folder / "expression.safetensors", read_anndata(folder / "atlas.h5ad"), "expression", 1, [])
        few_mb = measure(folder, 1000)
        many_mb = measure(folder, many)
    print(f"private memory of the larger rank: 1,000 elements {few_mb:.0f} MB, {many:,} elements {many_mb:.0f} MB, "
          f"difference {many_mb - few_mb:+.0f} MB (bar: 64)")
    return 0 if many_mb - few_mb <= 64 else 1


if __name__ == "__main__":
    sys.exit(main())
