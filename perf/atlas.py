#!/usr/bin/env python3
"""The atlas of all human cell types, in size: 1.3 million regions x 286 motifs x 213 cell types, on a drawn genome.

usage: perf/atlas.py [--regions=1300000] [--types=213] [--ranks=2]   (a built release preset; the venv's Python; 12 GB of disk)
Pseudobulk counts go through `mpira counts`, then `mpira features` scans and builds the atlas; both for a tenth of the
regions, too. Bars: resident memory of a rank below 4 GiB (mapped pages of files counted, the largest of looks every
half second), and the seconds of a row within 1.3 of the tenth's.
"""
import os
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "tests" / "python"))
os.environ.setdefault("MPIRA", str(here.parent / "build" / "release" / "bin" / "mpira"))
from mpira_test import Running, option

SPACING_BP = 700
CHROM_BP = 100_000_000
DENSITY = 0.2  # of regions with a count, in a cell type
MOTIFS = here.parent / ".deps" / "data" / "python" / "pyjaspar" / "data" / "JASPAR2024.sqlite"
MEMORY_BAR_GIB, ROW_BAR = 4, 1.3


def resident_gib(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0  # it has just ended
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0) / 2**20


def write_genome(folder, bases):
    rng = np.random.default_rng(1)
    lengths = [min(CHROM_BP, bases - at) for at in range(0, bases, CHROM_BP)]
    with open(folder / "genome.fa", "wb") as file:
        for number, length in enumerate(lengths, 1):
            file.write(f">chr{number}\n".encode())
            file.write(np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, length, dtype=np.uint8)].tobytes() + b"\n")
    (folder / "sizes").write_text("".join(f"chr{number}\t{length}\n" for number, length in enumerate(lengths, 1)))
    return lengths


def places_of(lengths, count):
    each = [(f"chr{number}", start, start + 500) for number, length in enumerate(lengths, 1)
            for start in range(100, length - 600, SPACING_BP)]
    return each[:count]


def write_pseudobulks(path, places, types):
    """AnnData, cell types x regions, sparse, written row by row: whole it would be larger than what is measured."""
    rng = np.random.default_rng(2)
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for frame, names in (("obs", [f"type{i}" for i in range(types)]), ("var", [f"{c}:{s}-{e}" for c, s, e in places])):
            group = file.create_group(frame)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            group.attrs.create("column-order", np.array([], dtype=object), dtype=text)
            index = group.create_dataset("_index", data=np.array(names, dtype=object), dtype=text)
            index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        x = file.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [types, len(places)]})
        data = x.create_dataset("data", (0,), np.int32, maxshape=(None,), chunks=(1 << 16,))
        indices = x.create_dataset("indices", (0,), np.int32, maxshape=(None,), chunks=(1 << 16,))
        ends = [0]
        for _ in range(types):
            columns = np.flatnonzero(rng.random(len(places), dtype=np.float32) < DENSITY).astype(np.int32)
            ends.append(ends[-1] + len(columns))
            for dataset, values in ((data, 1 + rng.poisson(3, len(columns)).astype(np.int32)), (indices, columns)):
                dataset.resize((ends[-1],))
                dataset[ends[-2]:] = values
        x["indptr"] = np.array(ends, np.int64)


def measured(*words, ranks):
    """Seconds, and the largest memory of a rank."""
    running, largest = Running(*words, ranks=ranks), 0.0
    while running.process.poll() is None:
        largest = max([largest, *map(resident_gib, running.rank_pids())])
        time.sleep(0.5)
    seconds = time.monotonic() - running.begin
    text = running.output()
    if running.process.returncode != 0:
        raise SystemExit(text)
    return seconds, largest


def build(folder, places, types, ranks):
    (folder / "regions.bed").write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in places))
    write_pseudobulks(folder / "bulk.h5ad", places, types)
    genome = ["--set", f"genome.chrom_sizes={folder / 'sizes'}", "--set", "genome.assembly=drawn", "--set",
              f"regions.bed={folder / 'regions.bed'}", "--fresh", "--overwrite"]
    counts = measured("counts", *genome, "--set", f"matrices={folder / 'bulk.h5ad'}", "--set", "matrix.cell_types=index",
                      "--output", folder / "counts.h5ad", ranks=ranks)
    (folder / "bulk.h5ad").unlink()
    features = measured("features", *genome, "--set", f"genome.fasta={folder / 'genome.fa'}", "--set", f"motifs.jaspar={MOTIFS}",
                        "--set", "motifs.tax_group=insects", "--set", f"accessibility.counts={folder / 'counts.h5ad'}",
                        "--output", folder / "atlas.h5ad", ranks=ranks)
    with h5py.File(folder / "atlas.h5ad") as atlas:
        shape = atlas["X"].shape, atlas["obsm/accessibility"].shape
        assert shape[0][0] == shape[1][0] == len(places) and shape[1][1] == types, shape
        assert (atlas["obsm/accessibility"][-1000:] > 0).mean() > DENSITY / 2
    for name in ("counts.h5ad", "counts.h5ad.old", "atlas.h5ad.old"):
        (folder / name).unlink(missing_ok=True)
    print(f"{len(places):,} regions x {shape[0][1]} motifs x {types} cell types on {ranks} ranks: counts {counts[0]:.0f} s, "
          f"{counts[1]:.2f} GiB a rank; features {features[0]:.0f} s ({1e6 * features[0] / len(places):.0f} us a row), "
          f"{features[1]:.2f} GiB a rank; file {(folder / 'atlas.h5ad').stat().st_size / 2**30:.2f} GiB", flush=True)
    return features[0] / len(places), max(counts[1], features[1])


def main():
    count, types, ranks = option("regions", 1_300_000), option("types", 213), option("ranks", 2)
    with tempfile.TemporaryDirectory(prefix="mpira-atlas-") as name:
        folder = Path(name)
        places = places_of(write_genome(folder, count * SPACING_BP + count // 100 * SPACING_BP + CHROM_BP // 10), count)
        assert len(places) == count, len(places)
        few, _ = build(folder, places[:count // 10], types, ranks)
        many, memory = build(folder, places, types, ranks)
    print(f"a row of all {many / few:.2f} of a row of a tenth (bar {ROW_BAR}); largest rank {memory:.2f} GiB (bar {MEMORY_BAR_GIB})")
    return 0 if many <= ROW_BAR * few and memory < MEMORY_BAR_GIB else 1


if __name__ == "__main__":
    sys.exit(main())
