"""Result files in the program users open them with: anndata, warnings as errors (run with -W error).

    store_anndata_test.py WRITE_SAMPLE READ_SAMPLE

The first program writes the sample campaign of tests/store/sample.hpp step by step; each moment must open. The
second prints a file as mpira's AnnDataReader sees it, here one that anndata wrote.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

anndata.settings.allow_write_nullable_strings = True
WRITE, READ = sys.argv[1:3]
ROWS, UNIT_ROWS = 23, 4


def write(file, *steps):
    subprocess.run([WRITE, str(file), *steps], check=True)


def read(file):
    done = subprocess.run([READ, str(file)], capture_output=True, text=True)
    assert "HDF5-DIAG" not in done.stderr, done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def raw(file, path):
    """The values without anndata: h5py alone."""
    with h5py.File(file, "r") as opened:
        return opened[path][()]


def check_sample(file, done_units, finished):
    data = anndata.read_h5ad(file)
    assert data.shape == (ROWS, 3)
    assert list(data.obs.columns) == ["group", "note", "start", "count", "mean", "flag", "done"]
    assert data.obs.index.name == "element" and data.obs.index[22] == "element_22"
    assert list(data.obs["group"].cat.categories) == ["distal", "promoter"]
    assert list(data.obs["group"][:4]) == ["promoter", "distal", "distal", "promoter"]
    assert data.obs["note"].iloc[1] == "été"
    assert data.obs["start"].tolist() == [1000 * i for i in range(ROWS)]
    assert data.obs["done"].dtype == bool and data.obs["flag"].dtype == bool
    assert data.obs["done"].tolist() == [i // UNIT_ROWS in done_units for i in range(ROWS)]
    rows = np.repeat([unit in done_units for unit in range(6)], UNIT_ROWS)[:ROWS]
    assert data.X.dtype == np.float32 and data.layers["sd"].dtype == np.float64
    assert data.obsm["raw"].dtype == np.float16 and data.obsm["raw"].shape == (ROWS, 2, 5)
    assert data.obsm["places"].dtype == np.int64
    brain = data.obsm["brain"]  # numpy has no bfloat16: float32, whose lower half is 0
    assert brain.dtype == np.float32 and not (brain.view(np.uint32) & 0xFFFF).any() and (brain[rows] != 0).all()
    windows = data.obsm["windows"]
    assert sparse.issparse(windows) and windows.shape == (ROWS, 0x40000000) and windows.dtype == np.float32
    assert windows.indptr.tolist() == list(range(0, 3 * ROWS + 1, 3))
    for part in ("data", "indices"):
        values = getattr(windows, part).reshape(ROWS, 3)
        assert np.array_equal(values.ravel(), raw(file, f"obsm/windows/{part}")), part
        assert (values[rows] != 0).any(axis=1).all() and (values[~rows] == 0).all(), part
    for name, values in {"X": data.X, "layers/sd": data.layers["sd"], "obsm/codes": data.obsm["codes"]}.items():
        assert np.array_equal(values, raw(file, name))
        assert (values[rows] != 0).any(axis=1).all(), name
        assert (values[~rows] == 0).all(), name
    assert np.array_equal(data.varm["weights"], np.array([[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]], np.float32))
    assert data.uns["settings"] == {"insertions": 600, "name": "x", "rate": 0.25, "shared": False}
    assert list(data.uns["motifs"]) == ["a", "b", "c"] and data.uns["flags"].dtype == bool
    assert bool(data.uns["mpira"]["finished"]) == finished
    assert json.loads(data.uns["mpira"]["identity"])["settings"]["sites.insertions"] == 600
    if finished:
        assert data.var["total"].tolist() == [4, 5, 6]
        assert np.isclose(data.uns["sums"][0], data.obs["mean"].sum()) and data.uns["sums"][1] == ROWS
    backed = anndata.read_h5ad(file, backed="r")
    assert np.array_equal(backed.X[:], data.X) and backed[5:7].to_memory().X.shape == (2, 3)
    backed.file.close()
    return data


def sample_at_every_moment(folder):
    file = folder / "out.h5ad"
    write(file, "create")
    check_sample(file, set(), False)
    write(file, "half")
    check_sample(file, {0, 2, 4}, False)
    write(file, "fail")
    check_sample(file, {0, 2, 4}, False)
    with h5py.File(file, "r"):  # a reader that holds the file open hinders no writer
        write(file, "all")
    whole = check_sample(file, set(range(6)), False)
    write(file, "finish")
    check_sample(file, set(range(6)), True)
    write(file, "seal")
    sealed = check_sample(f"{file}.sealed.h5ad", set(range(6)), True)
    assert np.array_equal(sealed.X, whole.X) and np.array_equal(sealed.obsm["raw"], whole.obsm["raw"])
    assert np.array_equal(sealed.obsm["windows"].indices, whole.obsm["windows"].indices)
    assert np.array_equal(sealed.obsm["windows"].data, whole.obsm["windows"].data)
    with h5py.File(f"{file}.sealed.h5ad", "r") as opened:
        assert opened["X"].compression == "gzip" and opened["X"].shuffle
    # Rewritten with compression it is read, but takes no rows.
    whole.write_h5ad(folder / "rewritten.h5ad", compression="gzip")
    assert "floats" in read(folder / "rewritten.h5ad")
    again = subprocess.run([WRITE, folder / "rewritten.h5ad", "half"], capture_output=True, text=True)
    assert again.returncode == 1 and "not stored as one piece" in again.stderr and "HDF5-DIAG" not in again.stderr, again.stderr


def files_of_python(folder):
    draws = np.random.default_rng(1)
    obs = pd.DataFrame({"chrom": pd.Categorical(["chr2", "chr10", None, "chr2"]),
                        "name": ["a", "b", "ü", ""],
                        "start": np.array([1, 2, 3, 4], np.int32),
                        "score": np.array([0.5, 1.5, -2, 1e30], np.float32),
                        "ok": [True, False, True, True],
                        "mixed": pd.array(["x", "y", "z", "w"])}, index=["r1", "r2", "r3", "r4"])
    x = draws.normal(size=(4, 300)).astype(np.float32)
    data = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"m{i}" for i in range(300)]))
    data.obsm["accessibility"] = draws.normal(size=(4, 2))
    data.obsm["counts"] = np.arange(8, dtype=np.uint16).reshape(4, 2)
    data.uns = {"assembly": "dm3", "window": 500, "rate": 0.5, "yes": True, "deep": {"list": ["a", "b"]},
                "scales": np.array([1.0, 2.0]), "table": pd.DataFrame({"a": [1]}, index=["i"])}
    for options in ({}, {"compression": "gzip"}):
        file = folder / f"python{len(options)}.h5ad"
        data.write_h5ad(file, **options)
        seen = read(file)
        assert isinstance(seen, dict), seen
        assert seen["obs"]["index"] == ["r1", "r2", "r3", "r4"] and len(seen["var"]["index"]) == 300
        columns = seen["obs"]["columns"]
        assert columns["chrom"] == ["chr2", "chr10", "", "chr2"] and columns["name"] == ["a", "b", "ü", ""]
        assert columns["start"] == [1, 2, 3, 4] and columns["ok"] == [1, 0, 1, 1]
        assert columns["mixed"] == ["x", "y", "z", "w"]
        assert np.array_equal(np.array(columns["score"], np.float32), obs["score"].to_numpy())
        assert seen["X"]["shape"] == [4, 300] and np.array_equal(np.array(seen["floats"], np.float32), x.ravel())
        assert seen["mapped"] == (not options) and seen["X"]["contiguous"] == (not options)
        assert np.array_equal(seen["obsm"]["accessibility"]["values"], data.obsm["accessibility"].ravel())
        assert seen["obsm"]["counts"]["values"] == list(range(8))
        uns = seen["uns"]
        assert uns["assembly"] == "dm3" and uns["window"] == 500 and uns["yes"] is True and uns["rate"] == 0.5
        assert uns["deep"] == {"list": ["a", "b"]} and uns["scales"] == [1, 2] and uns["table"] is None
    data.X = sparse.csr_matrix(x)
    data.write_h5ad(folder / "sparse.h5ad")
    message = read(folder / "sparse.h5ad")
    assert "sparse.h5ad: X: is a csr_matrix, not a dense array" in message, message
    # Shapes that the file can't fill: refused without the memory.
    with h5py.File(folder / "bomb.h5ad", "w") as bomb:
        anndata.io.write_elem(bomb, "obs", obs)
        anndata.io.write_elem(bomb, "var", data.var)
        anndata.io.write_elem(bomb, "uns", {})
        bomb.create_dataset("X", shape=(1 << 40, 300), chunks=(1024, 300), dtype="f4")
    message = read(folder / "bomb.h5ad")
    assert "bomb.h5ad: X: claims more values than" in message, message
    # A link that leads out of the file is not followed.
    with h5py.File(folder / "link.h5ad", "w") as link:
        link["X"] = h5py.ExternalLink(str(folder / "python0.h5ad"), "X")
        anndata.io.write_elem(link, "obs", obs)
        anndata.io.write_elem(link, "var", data.var)
        anndata.io.write_elem(link, "uns", {})
    message = read(folder / "link.h5ad")
    assert "link.h5ad: X: is not in the file" in message, message


with tempfile.TemporaryDirectory() as name:
    sample_at_every_moment(Path(name))
    files_of_python(Path(name))
print("ok")
