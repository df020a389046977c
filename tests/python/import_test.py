"""`mpira import`: data sets of GET that Python's zarr wrote, as gcell does, become atlases with the same numbers; an atlas
that `mpira export --format get-zarr` wrote is read by Python's zarr, and imported again is the same."""
import shutil
import tempfile
from pathlib import Path

import numpy as np
import zarr
from numcodecs import GZip, LZ4, Blosc, Zlib, Zstd

import toy
from mpira_test import assert_equal_results, mpira, read_anndata

PEAKS, MOTIFS = 2345, 30
CELL_TYPES = ["Naive B", "T"]  # "T" without expression
BLOSC = Blosc(cname="zstd", clevel=3, shuffle=Blosc.BITSHUFFLE)


def make_data(seed=2):
    """chr1, chr10, chr2: not the order of the sizes."""
    rng = np.random.default_rng(seed)
    names, places = [], []
    for chrom, count in (("chr1", 1500), ("chr10", 500), ("chr2", PEAKS - 2000)):
        for start in np.sort(rng.choice(900_000, count, replace=False)):
            places.append((chrom, int(start), int(start) + int(rng.integers(100, 600))))
            names.append("{}:{}-{}".format(*places[-1]))
    data = rng.gamma(0.5, 4, (PEAKS, MOTIFS)).astype(np.float32) * (rng.random((PEAKS, MOTIFS)) < 0.3)
    data[:, 3] = 0
    arrays = {"data": data, "peak_names": names, "motif_names": [f"Cluster/{m}" for m in range(MOTIFS)]}
    for cell_type in CELL_TYPES:
        arrays[f"atpm/{cell_type}"] = (rng.random(PEAKS) * (rng.random(PEAKS) < 0.6) * 1.5).astype(np.float32)
    starts = rng.random((PEAKS, 2)) < 0.1
    for strand, name in enumerate(("positive", "negative")):
        arrays[f"expression_{name}/Naive B"] = (rng.gamma(1, 1, PEAKS) * starts[:, strand]).astype(np.float32)
    arrays["tss/Naive B"] = starts.astype(np.int8)
    at = np.argwhere(starts)
    arrays["gene_idx_info_index"] = at[:, 0].astype(np.int64)
    arrays["gene_idx_info_name"] = [f"GENE{i}" for i in range(len(at))]
    arrays["gene_idx_info_strand"] = ["+-"[strand] for strand in at[:, 1]]
    return arrays


def write(path, arrays, compressor=BLOSC, chunks=1000, columns=None, strings=str, **more):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    for name, values in arrays.items():
        if isinstance(values, list):
            values = np.array(values, dtype=strings if strings is not str else np.dtypes.StringDType())
        size = [min(chunks, len(values))] + [columns or n for n in values.shape[1:]]
        array = group.create_array(name, shape=values.shape, dtype=str if values.dtype.kind == "T" else values.dtype,
                                   chunks=size, compressors=compressor, **more)
        array[:] = values


def run(store, output, *more, ranks=0, code=0):
    return mpira("import", "--set", f"zarr={store}", "--set", "genome.assembly=toy", "--set",
                 f"genome.chrom_sizes={store.parent}/sizes", "--output", output, *more, ranks=ranks, code=code)


def check(atlas, arrays, divide=False):
    np.testing.assert_array_equal(atlas.X, arrays["data"])
    assert list(atlas.obs_names) == arrays["peak_names"] and list(atlas.var_names) == arrays["motif_names"]
    assert list(atlas.uns["cell_types"]) == CELL_TYPES and list(atlas.uns["chrom_names"])[:3] == ["chr1", "chr10", "chr2"]
    for number, cell_type in enumerate(CELL_TYPES):
        signal = arrays[f"atpm/{cell_type}"]
        np.testing.assert_array_equal(atlas.obsm["accessibility"][:, number], signal / signal.max() if divide else signal)
        scale = arrays["data"][signal > 0].max(axis=0)
        np.testing.assert_array_equal(atlas.varm["scale"][:, 1 + number], np.where(scale > 0, scale, 1))
    scale = arrays["data"].max(axis=0)
    np.testing.assert_array_equal(atlas.varm["scale"][:, 0], np.where(scale > 0, scale, 1))
    assert list(atlas.uns["expression"]) == ["Naive B.plus", "Naive B.minus"]
    for strand, name in enumerate(("positive", "negative")):
        np.testing.assert_array_equal(atlas.obsm["expression"][:, strand], arrays[f"expression_{name}/Naive B"])
        np.testing.assert_array_equal(atlas.obs["promoter_" + ("plus", "minus")[strand]], arrays["tss/Naive B"][:, strand] > 0)
    np.testing.assert_array_equal(atlas.obs["promoter"], arrays["tss/Naive B"].any(axis=1))
    genes = atlas.uns["promoters"]
    assert list(genes["gene_name"]) == arrays["gene_idx_info_name"] and list(genes["strand"]) == arrays["gene_idx_info_strand"]
    np.testing.assert_array_equal(genes["row"], arrays["gene_idx_info_index"])
    assert str(atlas.uns["scan"]["source"]) == "gcell"


def the_numbers_of_the_store(folder):
    arrays = make_data()
    write(folder / "get.zarr", arrays)
    log = run(folder / "get.zarr", folder / "atlas.h5ad").text
    assert "atpm/Naive B has values up to 1." in log and "1 of 30 features occur in no region" in log, log
    check(read_anndata(folder / "atlas.h5ad"), arrays)
    for ranks in (1, 2, 3, 4):
        run(folder / "get.zarr", folder / f"atlas{ranks}.h5ad", ranks=ranks)
        assert_equal_results(folder / "atlas.h5ad", folder / f"atlas{ranks}.h5ad")
    run(folder / "get.zarr", folder / "divided.h5ad", "--set", "accessibility.scale=maximum", "--set", "unit.regions=333")
    check(read_anndata(folder / "divided.h5ad"), arrays, divide=True)
    run(folder / "get.zarr", folder / "one.h5ad", "--set", "cell_types=T")
    one = read_anndata(folder / "one.h5ad")
    assert list(one.uns["cell_types"]) == ["T"] and "expression" not in one.obsm


def every_way_of_storing(folder):
    arrays = make_data()
    big = {name: values.astype(np.float64) if getattr(values, "dtype", None) == np.float32 else values
           for name, values in arrays.items()}
    far = arrays | {"motif_names": [*arrays["motif_names"][:-3], "Stra\u00dfe", "\u6587\u5b57", "\U0001f9ec"]}
    for number, (data, options) in enumerate([
            (arrays, dict(compressor=Zlib(1))), (arrays, dict(compressor=GZip(1), chunks=700)), (arrays, dict(compressor=Zstd(1))),
            (arrays, dict(compressor=None, columns=7)), (big, dict(compressor=Blosc("lz4", shuffle=Blosc.SHUFFLE), chunks=5000)),
            (far, dict(strings="U")), (arrays, dict(strings="S", chunks=100)), (far, {})]):
        write(folder / "way.zarr", data, **options)
        run(folder / "way.zarr", folder / f"way{number}.h5ad")
        check(read_anndata(folder / f"way{number}.h5ad"), far if data is far else arrays)


def exported_and_back(folder):
    (folder / "toy").mkdir()
    toy.make_inputs(folder / "toy")
    mpira("export", folder / "atlas.h5ad", "--format", "get-zarr", "--output", folder / "out.zarr", code=0)
    group, arrays = zarr.open_group(folder / "out.zarr", mode="r"), make_data()
    for name, values in arrays.items():
        np.testing.assert_array_equal(group[name][:], np.array(values))
    run(folder / "out.zarr", folder / "back.h5ad")
    check(read_anndata(folder / "back.h5ad"), arrays)
    # A scanned atlas without expression, and one whose expression isn't by strand.
    mpira("export", folder / "toy" / "atlas.h5ad", "--format", "get-zarr", "--output", folder / "toy.zarr", code=0)
    scanned = read_anndata(folder / "toy" / "atlas.h5ad")
    group = zarr.open_group(folder / "toy.zarr", mode="r")
    np.testing.assert_array_equal(group["data"][:], scanned.X)
    np.testing.assert_array_equal(group["atpm/toy_cell"][:], scanned.obsm["accessibility"][:, 0])
    assert list(group["peak_names"][:]) == [f"{c}:{s}-{e}" for c, s, e in
                                            zip(scanned.obs["chrom"], scanned.obs["start"], scanned.obs["end"])]
    log = mpira("export", folder / "atlas.h5ad", "--format", "get-zarr", "--output", folder / "toy.zarr", code=2).text
    assert "exists" in log, log
    log = mpira("export", folder / "atlas.h5ad", "--format", "get-zarr", "--output", folder / "new.zarr", "--column", "x",
                code=2).text
    assert "--column does nothing" in log, log


def cell_types_without_all_of_it(folder):
    """Expression without accessibility, starts without expression, chunks that are not there."""
    arrays = make_data()
    arrays["tss/T"] = np.flip(arrays["tss/Naive B"], axis=0).copy()
    arrays["expression_positive/K562"], arrays["expression_negative/K562"] = np.arange(PEAKS, dtype=np.float32), np.ones(PEAKS, np.float32)
    write(folder / "some.zarr", arrays)
    (folder / "some.zarr/atpm/T/1").unlink()
    log = run(folder / "some.zarr", folder / "some.h5ad").text
    assert "no atpm/K562: expression without accessibility" in log and "1 chunks of 'atpm/T' are missing" in log, log
    atlas = read_anndata(folder / "some.h5ad")
    assert list(atlas.uns["cell_types"]) == CELL_TYPES
    assert list(atlas.uns["expression"]) == ["K562.plus", "K562.minus", "Naive B.plus", "Naive B.minus"]
    np.testing.assert_array_equal(atlas.obsm["expression"][:, 0], np.arange(PEAKS))
    np.testing.assert_array_equal(atlas.obs["promoter"], (arrays["tss/T"] | arrays["tss/Naive B"]).any(axis=1))
    assert (atlas.obsm["accessibility"][1000:2000, 1] == 0).all()


def wrong_stores(folder):
    def refused(message, change=None, sizes=None, more=(), code=2, at_end=False, **options):
        arrays = make_data()
        if change:
            change(arrays)
        shutil.rmtree(folder / "wrong.zarr", ignore_errors=True)
        write(folder / "wrong.zarr", arrays, **options)
        (folder / "sizes").write_text(sizes or SIZES)
        log = run(folder / "wrong.zarr", folder / "wrong.h5ad", *more, code=code).text
        assert message in log, (message, log)
        assert code == 3 or at_end or not (folder / "wrong.h5ad").exists()
        (folder / "wrong.h5ad").unlink(missing_ok=True)
        (folder / "sizes").write_text(SIZES)

    def swap(arrays):
        names = arrays["peak_names"]
        names[4], names[5] = names[5], names[4]

    refused("rows must be sorted by start and end", swap)
    refused("sorted by chromosome", lambda a: a["peak_names"].append(a["peak_names"].pop(0)))
    refused("is no interval", lambda a: a["peak_names"].__setitem__(0, "chr1:x-5"))
    refused("which has 500 bp", sizes="chr1\t500\nchr10\t1000000\nchr2\t1000000\n")
    refused("lacks, did you mean 'chr1'?", sizes="chr1\t1000000\nchr2\t1000000\n")
    refused("motif_names has 'Cluster/1' twice", lambda a: a["motif_names"].__setitem__(0, "Cluster/1"))
    refused("has no array 'data'", lambda a: a.pop("data"))
    refused("'atpm/T' has the shape (5), (2345) was expected", lambda a: a.__setitem__("atpm/T", np.ones(5, np.float32)))
    refused("'expression_negative/Naive B'", lambda a: a.pop("expression_negative/Naive B"))
    refused("'T' is named twice", more=("--set", "cell_types=T,T"))
    refused("can't be called 'all_regions'", lambda a: a.__setitem__("atpm/all_regions", a["atpm/T"]))
    refused("is no text in UTF-8", lambda a: a["motif_names"].__setitem__(0, "a\0b"))
    refused("no region has any of the 30 features", lambda a: a["data"].fill(0), at_end=True)
    refused("is no row of", lambda a: a.__setitem__(
        "gene_idx_info_index", a["gene_idx_info_index"] + 0.5))
    refused("did you mean 'Naive B'", more=("--set", "cell_types=NaiveB"))
    # What one unit meets keeps that unit from being done, as everywhere.
    refused("'data' has nan at chr1:", lambda a: a["data"].__setitem__((7, 1), np.nan), code=3)
    refused("'atpm/T' has -1 at", lambda a: a["atpm/T"].__setitem__(7, -1))
    refused("neither + nor -", lambda a: a["gene_idx_info_strand"].__setitem__(0, "."))
    refused("lz4", compressor=LZ4())
    refused("order F is not read here", order="F")
    refused("no zarr store", more=("--set", f"zarr={folder}"))
    refused("No such file", more=("--set", f"zarr={folder}/nowhere.zarr"))
    zarr.open_group(folder / "three.zarr", mode="w", zarr_format=3)
    refused("of zarr version 3; version 2 is read here", more=("--set", f"zarr={folder}/three.zarr"))
    write(folder / "damaged.zarr", make_data())
    chunk = folder / "damaged.zarr" / "data" / "1.0"
    chunk.write_bytes(chunk.read_bytes()[:-50])
    log = run(folder / "damaged.zarr", folder / "damaged.h5ad", code=3).text
    assert f"{chunk}: damaged" in log, log


SIZES = "chr1\t1000000\nchr2\t1000000\nchr10\t1000000\nchrM\t16000\n"


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sizes").write_text(SIZES)
        the_numbers_of_the_store(folder)
        every_way_of_storing(folder)
        exported_and_back(folder)
        cell_types_without_all_of_it(folder)
        wrong_stores(folder)


if __name__ == "__main__":
    main()
