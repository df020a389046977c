"""`mpira counts` of matrices that other programs write (scipy's Matrix Market, h5py in Cell Ranger's layout, anndata)
against pandas: genes among the peaks, cells of no type, peaks on unknown chromosomes, several files."""
import gzip
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import assert_equal_results, mpira, read_anndata, run_cases

LENGTHS = {"chr1": 9000, "chr2": 7000}


class Sample:
    """Random counts, cells x features; some features are genes."""

    def __init__(self, seed, cells=60, peaks=90):
        rng = np.random.default_rng(seed)
        starts = rng.choice(6000, size=peaks, replace=False)
        self.peaks = [(("chr1", "chr2", "chrUn")[i % 9 // 4], int(s), int(s) + 1 + int(rng.integers(400)))
                      for i, s in enumerate(starts)]
        self.barcodes = [f"{seed}BC{i:03d}-1" for i in range(cells)]
        self.counts = rng.poisson(0.4, size=(cells, peaks)).astype(np.int32)
        self.types = [("Kc", "Mbn2", "", "S2 cells")[int(rng.integers(4))] for _ in range(cells)]
        self.genes = rng.poisson(2, size=(cells, 7)).astype(np.int32)

    def names(self, form="{}:{}-{}"):
        return [form.format(*peak) for peak in self.peaks]

    def grouped(self):
        """Counts of peaks (rows) and types, and sums of types over all peaks."""
        table = pd.DataFrame(self.counts, index=self.types).groupby(level=0).sum().drop(index="", errors="ignore")
        table = table.T
        table.index = pd.MultiIndex.from_tuples(self.peaks)
        return table, table.sum()


def lay_out(folder, *samples):
    (folder / "sizes").write_text("".join(f"{name}\t{length}\n" for name, length in LENGTHS.items()))
    (folder / "types.tsv").write_text("".join(f"{b}\t{t}\n" for s in samples for b, t in zip(s.barcodes, s.types) if t))


def write_matrix_market(folder, sample, multiome):
    folder.mkdir()
    matrix = np.hstack([sample.genes, sample.counts]) if multiome else sample.counts
    with gzip.open(folder / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, scipy.sparse.coo_matrix(matrix.T))
    with gzip.open(folder / "barcodes.tsv.gz", "wt") as file:
        file.write("\n".join(sample.barcodes) + "\n")
    if multiome:
        with gzip.open(folder / "features.tsv.gz", "wt") as file:
            file.writelines(f"g{i}\tgene{i}\tGene Expression\tchr1\t1\t2\n" for i in range(7))
            file.writelines(f"{name}\t{name}\tPeaks\t{c}\t{s}\t{e}\n" for name, (c, s, e) in zip(sample.names(), sample.peaks))
    else:
        (folder / "peaks.bed").write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in sample.peaks))
    return folder


def write_cell_ranger(path, sample):
    matrix = scipy.sparse.csr_matrix(np.hstack([sample.genes, sample.counts]))
    text = lambda values: np.array(values, dtype="S")
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = text(sample.barcodes)
        group.create_dataset("data", data=matrix.data.astype(np.int32), chunks=(64,), compression="gzip")
        group.create_dataset("indices", data=matrix.indices.astype(np.int64), chunks=(64,), compression="gzip")
        group["indptr"] = matrix.indptr.astype(np.int64)
        group["shape"] = np.array(matrix.shape[::-1], dtype=np.int32)
        features = group.create_group("features")
        features["id"] = text([f"g{i}" for i in range(7)] + sample.names())
        features["feature_type"] = text(["Gene Expression"] * 7 + ["Peaks"] * len(sample.peaks))
    return path


def write_anndata(path, sample, matrix, names, layer=None):
    # Counts in a layer: X holds something that is no count.
    x = matrix if layer is None else np.full(sample.counts.shape, 0.5, dtype=np.float32)
    obs = pd.DataFrame({"kind": pd.Categorical([t or None for t in sample.types])}, index=sample.barcodes)
    made = anndata.AnnData(X=x, obs=obs, var=pd.DataFrame(index=names))
    if layer is not None:
        made.layers[layer] = matrix
    made.write_h5ad(path)
    return path


def count(folder, matrices, *more, ranks=0, output="counts.h5ad", code=0):
    return mpira("counts", "--set", f"genome.chrom_sizes={folder / 'sizes'}", "--set", "genome.assembly=toy",
                 "--set", "unit.regions=16", "--set", f"matrices={','.join(map(str, matrices))}", *more,
                 "--output", folder / output, "--fresh", "--overwrite", ranks=ranks, code=code)


def check(file, table, totals):
    """`table`: peaks x types of all that was counted; regions are its peaks on known chromosomes."""
    found = read_anndata(file)
    expected = table[[chrom in LENGTHS for chrom, *_ in table.index]]
    expected = expected.sort_index()
    places = list(zip(found.obs["chrom"].astype(str), found.obs["start"], found.obs["end"]))
    assert places == list(expected.index), (places[:3], expected.index[:3])
    assert set(found.var_names) == set(expected.columns), (found.var_names, expected.columns)
    for i, name in enumerate(found.var_names):
        np.testing.assert_array_equal(np.asarray(found.X)[:, i], expected[name])
        assert found.uns["total"][i] == totals[name] and found.uns["largest"][i] == expected[name].max()
    assert "matrices" in found.uns["notes"]["total"]
    return found


def every_form_equals_pandas(folder):
    sample = Sample(1)
    lay_out(folder, sample)
    by_barcode = ["--set", f"barcodes={folder / 'types.tsv'}"]
    by_column = ["--set", "matrix.cell_types=kind"]
    counts = sample.counts.astype(np.float32)
    forms = [
        (write_matrix_market(folder / "atac", sample, False), by_barcode),
        (write_matrix_market(folder / "multiome", sample, True), by_barcode),
        (write_cell_ranger(folder / "filtered.h5", sample), by_barcode),
        (write_anndata(folder / "csr.h5ad", sample, scipy.sparse.csr_matrix(counts), sample.names("{}-{}-{}")), by_column),
        (write_anndata(folder / "csc.h5ad", sample, scipy.sparse.csc_matrix(counts), sample.names("{}_{}_{}")), by_barcode),
        (write_anndata(folder / "dense.h5ad", sample, counts, sample.names()), by_column),
        (write_anndata(folder / "layer.h5ad", sample, scipy.sparse.csr_matrix(sample.counts), sample.names(), "counts"),
         [*by_column, "--set", "matrix.values=layers/counts"]),
    ]
    for path, how in forms:
        count(folder, [path], *how)
        check(folder / "counts.h5ad", *sample.grouped())
    count(folder, [forms[2][0]], *by_barcode, output="one.h5ad")
    count(folder, [forms[2][0]], *by_barcode, ranks=3, output="three.h5ad")
    assert_equal_results(folder / "one.h5ad", folder / "three.h5ad")


def files_are_added_and_regions_may_be_given(folder):
    one, two = Sample(1), Sample(2)
    two.peaks = one.peaks[:50] + two.peaks[50:]
    lay_out(folder, one, two)
    paths = [write_cell_ranger(folder / "one.h5", one), write_matrix_market(folder / "two", two, True)]
    tables, sums = zip(*(sample.grouped() for sample in (one, two)))
    both = pd.concat(tables).groupby(level=[0, 1, 2]).sum()
    count(folder, paths, "--set", f"barcodes={folder / 'types.tsv'}")
    check(folder / "counts.h5ad", both, sums[0] + sums[1])

    # Regions of one's own: peaks count where they are the same, all are in the total.
    some = sorted(peak for peak in one.peaks[:40] if peak[0] in LENGTHS) + [("chr2", 6900, 7000)]
    (folder / "some.bed").write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in some))
    told = count(folder, paths, "--set", f"barcodes={folder / 'types.tsv'}", "--set", f"regions.bed={folder / 'some.bed'}")
    check(folder / "counts.h5ad", both.reindex(some, fill_value=0), sums[0] + sums[1])
    assert f"{len(some) - 1} of {len(some)} regions are its peaks" in told.stderr, told.stderr

    # All cells of a file are one type, and pseudobulks are rows.
    count(folder, [f"Kc={paths[0]}", f"other={paths[1]}"])
    whole = pd.DataFrame({"Kc": one.counts.sum(axis=0)}, index=pd.MultiIndex.from_tuples(one.peaks)).join(
        pd.DataFrame({"other": two.counts.sum(axis=0)}, index=pd.MultiIndex.from_tuples(two.peaks)), how="outer")
    check(folder / "counts.h5ad", whole.fillna(0).astype(int), whole.sum())
    pseudo = one.grouped()[0].T
    anndata.AnnData(X=pseudo.to_numpy().astype(np.float32), obs=pd.DataFrame(index=pseudo.index),
                    var=pd.DataFrame(index=one.names())).write_h5ad(folder / "pseudo.h5ad")
    count(folder, [folder / "pseudo.h5ad"], "--set", "matrix.cell_types=index")
    check(folder / "counts.h5ad", *one.grouped())


def columns_that_name_cell_types(folder):
    """Clusters are often numbers, and pandas has several kinds of these."""
    sample = Sample(4)
    lay_out(folder, sample)
    number = {"Kc": 3, "Mbn2": 11, "S2 cells": 7}
    known = [kind for kind in sample.types if kind]
    sample.types = [kind or known[i % len(known)] for i, kind in enumerate(sample.types)]
    numbers = [number[kind] for kind in sample.types]
    missing = [None if i % 5 == 0 else n for i, n in enumerate(numbers)]
    forms = {"int": np.array(numbers), "category": pd.Categorical(numbers), "nullable": pd.array(missing, dtype="Int64"),
             "bool": np.array(numbers) > 5, "float": np.array(numbers) / 2}
    made = anndata.AnnData(X=sample.counts.astype(np.float32), obs=pd.DataFrame(forms, index=sample.barcodes),
                           var=pd.DataFrame(index=sample.names()))
    made.write_h5ad(folder / "clusters.h5ad")
    for column, names in (("int", numbers), ("category", numbers), ("nullable", missing), ("bool", forms["bool"])):
        sample.types = ["" if name is None else str(name) for name in names]
        count(folder, [folder / "clusters.h5ad"], "--set", f"matrix.cell_types={column}")
        check(folder / "counts.h5ad", *sample.grouped())
    told = count(folder, [folder / "clusters.h5ad"], "--set", "matrix.cell_types=float", output="no.h5ad", code=2)
    assert "obs/float" in told.stderr and "astype(str)" in told.stderr, told


def peaks_among_the_genes_of_anndata(folder):
    sample = Sample(5)
    lay_out(folder, sample)
    both = np.hstack([sample.genes, sample.counts]).astype(np.float32)
    path = write_anndata(folder / "both.h5ad", sample, both, [f"g{i}" for i in range(7)] + sample.names())
    made = anndata.read_h5ad(path)
    made.var["feature_types"] = ["Gene Expression"] * 7 + ["Peaks"] * len(sample.peaks)
    made.write_h5ad(path)
    count(folder, [path], "--set", "matrix.cell_types=kind")
    check(folder / "counts.h5ad", *sample.grouped())


def wrong_matrices_are_named(folder):
    sample = Sample(3)
    lay_out(folder, sample)
    counts = sample.counts.astype(np.float32)
    good = write_anndata(folder / "good.h5ad", sample, counts, sample.names())

    def refuses(matrices, *more, says):
        told = count(folder, matrices, *more, code=2)
        assert all(word in told.stderr for word in says), told
        assert not (folder / "counts.h5ad").exists()

    column = ["--set", "matrix.cell_types=kind"]
    refuses([good], says=["matrices", "name=path"])
    refuses([good], *column, "--set", f"fragments=x={good}", says=["fragments", "matrices"])
    refuses([good], *column, "--set", f"barcodes={folder / 'types.tsv'}", says=["matrix.cell_types", "not both"])
    refuses([good], "--set", "matrix.cell_types=kinds", says=["good.h5ad", "kinds", "did you mean 'kind'"])
    refuses([good], *column, "--set", "counted=insertions", says=["counted"])
    refuses([folder / "none.h5ad"], *column, says=["none.h5ad", "No such file"])
    refuses([folder / "sizes"], *column, says=["sizes"])
    refuses([good], *column, "--set", "matrix.values=layers/raw", says=["good.h5ad", "layers/raw"])
    normal = write_anndata(folder / "normal.h5ad", sample, counts / 3, sample.names())
    refuses([normal], *column, says=["normal.h5ad", "no count"])
    (folder / "far.bed").write_text("chr1\t1\t2\n")
    refuses([good], *column, "--set", f"regions.bed={folder / 'far.bed'}", says=["good.h5ad", "none of its 90 peaks"])
    genes = write_anndata(folder / "genes.h5ad", sample, counts, [f"GENE{i}" for i in range(90)])
    refuses([genes], *column, says=["genes.h5ad", "'GENE0' names no peak"])
    (folder / "strangers.tsv").write_text("xyz\tKc\n")
    refuses([good], "--set", f"barcodes={folder / 'strangers.tsv'}", says=["good.h5ad", "none of its 60 cells"])
    cell_ranger = write_cell_ranger(folder / "cut.h5", sample)
    with h5py.File(cell_ranger, "r+") as file:
        del file["matrix/indices"]
        file["matrix/indices"] = np.zeros(3, dtype=np.int64)
    by_barcode = ["--set", f"barcodes={folder / 'types.tsv'}"]
    refuses([cell_ranger], *by_barcode, says=["cut.h5", "matrix", "don't fit"])
    # What would do nothing.
    folders = write_matrix_market(folder / "atac", sample, False)
    refuses([folders], *column, says=["matrix.cell_types", "atac", "barcodes"])
    refuses([folders], *by_barcode, "--set", "matrix.values=raw/X", says=["atac", "one matrix only", "raw/X"])
    refuses([good], *column, "--set", "bam.min_mapq=10", says=["bam.min_mapq", "BAMs"])
    # What would be added up as if it were meant.
    sample.peaks[3] = sample.peaks[8]
    refuses([write_matrix_market(folder / "peaks", sample, False)], *by_barcode, says=["peaks", "twice", sample.names()[3]])
    sample = Sample(3)
    sample.barcodes[3] = sample.barcodes[8]
    refuses([write_cell_ranger(folder / "cells.h5", sample)], *by_barcode, says=["cells.h5", "twice", sample.barcodes[3]])


if __name__ == "__main__":
    run_cases([every_form_equals_pandas, files_are_added_and_regions_may_be_given, columns_that_name_cell_types,
               peaks_among_the_genes_of_anndata, wrong_matrices_are_named])
