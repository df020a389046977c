"""mpira export, opened by the programs it writes for: TSV by pandas, bedGraph by pandas, gcell's zarr by Python zarr.

What is compared with is the .h5ad itself as anndata opens it, and for zarr a plain Python restatement of what gcell
does with the stores (indexes, axes, means), with its fixed index 100 where windows are that wide.
"""
import fcntl
import json
import os
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import zarr

sys.path.insert(0, str(Path(__file__).parent))
from jacobian_test import prepare, run, window_around
from mpira_test import mpira, read_anndata, run_cases
from toy import WINDOW, random_sequence, scales_of, write_weights


def export(file, form, output, *more, code=0):
    return mpira("export", file, "--format", form, "--output", output, *more, code=code)


def read_table(file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return pd.read_csv(file, sep="\t", index_col=0, keep_default_na=False, na_values=["nan"],
                           float_precision="round_trip",  # its faster parser is off by an ulp
                           dtype={"strand": str, "chrom": str})


def same_numbers(ours, theirs, what=""):
    ours, theirs = (np.asarray(values, dtype=np.float64) for values in (ours, theirs))
    assert np.array_equal(ours, theirs, equal_nan=True), f"{what}: {ours} {theirs}"


def tables_hold_every_value(folder):
    mpira("synthetic", "--set", "rows=1300", "--set", "columns=5", "--output", folder / "synthetic.h5ad", code=0)
    atlas, _ = prepare(folder)
    run(folder, "jacobian.h5ad", ranks=2)
    mpira("seal", folder / "jacobian.h5ad", code=0)
    for name in ("synthetic.h5ad", "atlas.h5ad", "jacobian.h5ad", "jacobian.sealed.h5ad"):
        result = read_anndata(folder / name)
        for suffix in ("tsv", "tsv.gz"):
            export(folder / name, "tsv", folder / f"{name}.{suffix}")
        table = read_table(folder / f"{name}.tsv.gz")
        assert table.equals(read_table(folder / f"{name}.tsv")), name
        assert table.index.name == result.obs.index.name and list(table.index.astype(str)) == list(result.obs_names)
        assert list(table.columns) == [*result.obs.columns, *result.var_names], name
        same_numbers(table[list(result.var_names)].to_numpy(np.float32), result.X, name)
        for column in result.obs:
            values = result.obs[column]
            if values.dtype.kind in "iufb":
                kind = np.int64 if values.dtype.kind == "b" else values.dtype
                same_numbers(table[column].to_numpy(kind), values, f"{name} {column}")
            else:
                assert table[column].astype(str).tolist() == values.astype(str).tolist(), (name, column)
    assert (folder / "synthetic.h5ad.tsv.gz").stat().st_size < (folder / "synthetic.h5ad.tsv").stat().st_size

    # Of an unfinished campaign, only what is done, and only when asked for.
    with h5py.File(folder / "synthetic.h5ad", "r+", locking=False) as file:
        file["obs/done"][500:700] = False
    refused = export(folder / "synthetic.h5ad", "tsv", folder / "part.tsv", code=2)
    assert "200 of the rows asked for" in refused.text and "--partial" in refused.text
    export(folder / "synthetic.h5ad", "tsv", folder / "part.tsv", "--partial")
    rest = read_table(folder / "synthetic.h5ad.tsv")
    assert read_table(folder / "part.tsv").equals(rest.drop(rest.index[500:700]))

    jacobian = read_anndata(folder / "jacobian.h5ad")
    export(folder / "jacobian.h5ad", "tsv", folder / "chosen.tsv", "--rows", "cell_type=other", "--rows", "strand=-",
           "--values", "layers/mean_abs")
    chosen = ((jacobian.obs["cell_type"] == "other") & (jacobian.obs["strand"] == "-")).to_numpy()
    table = read_table(folder / "chosen.tsv")
    assert 0 < chosen.sum() < len(chosen) and list(table.index) == list(jacobian.obs_names[chosen])
    same_numbers(table[list(jacobian.var_names)].to_numpy(np.float32), jacobian.layers["mean_abs"][chosen])


def tracks_have_one_value_a_base(folder):
    atlas, _ = prepare(folder)
    text = (f'output = "{folder}/predict.h5ad"\n[atlas]\nfile = "{folder}/atlas.h5ad"\n'
            f'[model]\nweights_by_cell_type = "{folder}/weights.tsv"\n')
    (folder / "predict.toml").write_text(text)
    mpira("predict", "--config", folder / "predict.toml", code=0)
    result = read_anndata(folder / "predict.h5ad")
    refused = export(folder / "predict.h5ad", "bedgraph", folder / "no.bedGraph", "--column", "plus", code=2)
    assert "overlap" in refused.text and "cell_type=" in refused.text and not (folder / "no.bedGraph").exists()
    export(folder / "predict.h5ad", "bedgraph", folder / "track.bedGraph.gz", "--column", "minus", "--rows",
           "cell_type=other", "--overlaps", "mean")
    track = pd.read_csv(folder / "track.bedGraph.gz", sep="\t", header=None, names=["chrom", "start", "end", "value"])
    assert (track["end"] > track["start"]).all()
    assert list(zip(track["chrom"], track["start"])) == sorted(zip(track["chrom"], track["start"]))
    rows = result[(result.obs["cell_type"] == "other").to_numpy()]
    values = rows.to_df()["minus"].to_numpy()
    for chrom, pieces in track.groupby("chrom"):
        here = (rows.obs["chrom"] == chrom).to_numpy()
        starts, ends = rows.obs["region_start"].to_numpy()[here], rows.obs["region_end"].to_numpy()[here]
        assert (pieces["start"].to_numpy()[1:] >= pieces["end"].to_numpy()[:-1]).all(), "pieces overlap"
        sums, counts, found = np.zeros(ends.max()), np.zeros(ends.max()), np.full(ends.max(), np.nan)
        for start, end, value in zip(starts, ends, values[here]):
            sums[start:end] += value
            counts[start:end] += 1
        for start, end, value in pieces[["start", "end", "value"]].itertuples(index=False):
            found[int(start):int(end)] = value
        covered = counts > 0
        assert np.array_equal(covered, ~np.isnan(found))
        np.testing.assert_allclose(found[covered], sums[covered] / counts[covered], rtol=1e-6)
    # A numeric column of obs is a track as well.
    export(folder / "predict.h5ad", "bedgraph", folder / "rows.bedGraph", "--column", "atlas_row", "--rows",
           "cell_type=other", "--overlaps", "mean")
    assert (folder / "rows.bedGraph").read_text().count("\n") == len(track)


def stores_of(folder, atlas, extra=""):
    run(folder, "jacobian.h5ad", ranks=2, extra=extra)
    export(folder / "jacobian.h5ad", "gcell-zarr", folder / "gcell", "--atlas", folder / "atlas.h5ad")
    return read_anndata(folder / "jacobian.h5ad")


def as_gcell_reads(store, focus):
    """What GETHydraCellType makes of a store: the frame of genes and that of regions."""
    strands = store["strand"][:].astype(int)
    genes = pd.DataFrame({
        "gene_name": [name.strip(" ") for name in store["available_genes"][:].reshape(-1)],
        "Chromosome": [name.strip(" ") for name in store["chromosome"][:].flatten()],
        "Start": store["peak_coord"][:][:, focus, 0].astype(int),
        "End": store["peak_coord"][:][:, focus, 1].astype(int),
        "Strand": strands,
        "pred": [store["preds"]["exp"][i, focus, s] for i, s in enumerate(strands)],
        "obs": [store["obs"]["exp"][i, focus, s] for i, s in enumerate(strands)],
        "accessibility": store["input"][:][:, focus, -1],
    })
    motif = [(store["jacobians"]["exp"][str(s)]["input"]["region_motif"][i] * store["input"][i]).mean(axis=0)
             for i, s in enumerate(strands)]
    return genes, np.array(motif)


def gcell_reads_the_stores(folder):
    atlas, _ = prepare(folder)
    killed, alive = (folder / f".gcell.{digit * 16}.draft" for digit in "0a")
    for draft in (killed, alive):
        (draft / "other.zarr").mkdir(parents=True)
    held = os.open(alive, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)  # somebody else is writing the same
    for kind in ("f32", "f16", "bf16"):
        result = stores_of(folder, atlas, f'[results]\njacobian = "{kind}"\n')
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            root = zarr.open(folder / "gcell", mode="r")
            assert sorted(root.group_keys()) == ["other.zarr", "toy_cell.zarr"]
            for cell_type in ("toy_cell", "other"):
                store = zarr.open(folder / "gcell" / f"{cell_type}.zarr", mode="r")
                same_as_the_result(store, result[(result.obs["cell_type"] == cell_type).to_numpy()], atlas, kind)
            # It is the user's then: gcell itself adds arrays, with zarr.
            more = zarr.open(folder / "gcell" / "other.zarr", mode="a")
            more.create_array("causal", data=np.ones((3, 3), np.float32))
            assert "causal" in zarr.open(folder / "gcell" / "other.zarr", mode="r")
        assert list(folder.glob(".gcell*")) == [alive], "a draft is left, or one that is written was deleted"
        (folder / "gcell").rename(folder / f"gcell.{kind}")
        (folder / "jacobian.h5ad").unlink()
    os.close(held)


def same_as_the_result(store, result, atlas, kind):
    focus = store.attrs["focus"]
    genes, motif = as_gcell_reads(store, focus)
    obs = result.obs
    assert focus == WINDOW // 2 and len(genes) == result.n_obs
    assert store["input"].shape == (result.n_obs, WINDOW, atlas.n_vars + 1)
    assert store["feature_names"][:].tolist() == [*atlas.var_names, "Accessibility"]
    assert genes["gene_name"].tolist() == obs["gene_name"].tolist()
    assert store["gene_id"][:].tolist() == obs["gene_id"].tolist()
    assert genes["Chromosome"].tolist() == obs["chrom"].tolist()
    assert genes["Start"].tolist() == obs["region_start"].tolist()
    assert genes["End"].tolist() == obs["region_end"].tolist()
    assert genes["Strand"].tolist() == [int(s == "-") for s in obs["strand"]] and set(genes["Strand"]) == {0, 1}
    assert store["tss"][:].tolist() == obs["position"].tolist()
    same_numbers(genes["pred"], obs["predicted"])
    same_numbers(genes["obs"], obs["observed"])
    # Mean over the window as the reader takes it, times its length: X, the sum of gradient x input.
    bound = {"f32": 1e-5, "f16": 2e-3, "bf16": 1.6e-2}[kind]
    assert np.abs(motif * WINDOW - result.X).max() <= bound * max(1, np.abs(result.X).max())
    np.testing.assert_allclose(store["gene_by_motif"][:], motif, rtol=1e-5, atol=1e-7)

    scaled = np.minimum(np.asarray(atlas.X, np.float64) / scales_of(atlas), 1)
    start, end = (atlas.obs[name].to_numpy() for name in ("start", "end"))
    kept, inputs, places = (store[name][:] for name in ("preds/exp", "input", "peak_coord"))
    strands = [store[f"jacobians/exp/{s}/input/region_motif"][:] for s in (0, 1)]
    assert np.isfinite(kept).sum() == result.n_obs
    windows = set()
    for i, (_, row) in enumerate(obs.iterrows()):
        own, other = (strands[int(row["strand"] == "-")][i], strands[int(row["strand"] != "-")][i])
        assert np.isnan(other).all(), "a gradient that nobody computed"
        size, first = row["window_regions"], row["window_start"]
        windows.add(row["window"])
        assert first == window_around(atlas, row["atlas_row"])[0] and size == window_around(atlas, row["atlas_row"])[1]
        scale = row["jacobian_scale"] if kind == "f16" else 1
        for region in range(size):
            slot = (region + focus - row["focus"]) % WINDOW
            assert places[i, slot].tolist() == [start[first + region], end[first + region]]
            np.testing.assert_allclose(inputs[i, slot, :-1], scaled[first + region], rtol=1e-6)
            same_numbers(own[slot], result.obsm["jacobian"][i, region].astype(np.float32) * np.float32(scale))
        empty = [(region + focus - row["focus"]) % WINDOW for region in range(size, WINDOW)]
        assert (places[i, empty] == -1).all() and not inputs[i, empty].any() and not own[empty].any()
    assert windows == {"complete", "shifted", "short"}


def both_strands_stand_in_one_entry(folder):
    atlas, _ = prepare(folder)
    result = stores_of(folder, atlas, '[results]\njacobian = "f32"\n[outputs]\nstrands = "both"\n')
    mine = result[(result.obs["cell_type"] == "other").to_numpy()]
    store = zarr.open(folder / "gcell" / "other.zarr", mode="r")
    assert len(store["strand"][:]) * 2 == mine.n_obs
    assert np.isfinite(store["preds/exp"][:]).sum() == mine.n_obs
    plus = {(row["gene_id"], row["region_start"], row["strand"]): row["predicted"]
            for _, row in mine.obs.iterrows() if row["output"] == "plus"}
    for i, gene in enumerate(store["gene_id"][:]):
        key = (gene, int(store["peak_coord"][i, WINDOW // 2, 0]), "+-"[int(store["strand"][i])])
        assert store["preds/exp"][i, WINDOW // 2, 0] == np.float32(plus[key])
    for strand in "01":
        assert np.isfinite(store[f"jacobians/exp/{strand}/input/region_motif"][:]).all()


def each_cell_type_has_its_scales(folder):
    """scale_set "cell_type": the maxima of the cell type itself divide its inputs."""
    prepare(folder)
    mpira("features", "--config", folder / "features.toml", "--set", "scales=cell_type", "--fresh", "--overwrite", code=0)
    atlas = read_anndata(folder / "atlas.h5ad")
    assert list(atlas.uns["scale_sets"]) == ["all_regions", "toy_cell"]
    write_weights(folder / "open.safetensors", atlas, "expression", 1, [], "quantitative", scale_set="toy_cell",
                  card={"scale_set": "cell_type", "cell_type": ""})
    (folder / "weights.tsv").write_text("toy_cell\topen.safetensors\n")
    result = stores_of(folder, atlas, '[results]\njacobian = "f32"\n')
    store = zarr.open(folder / "gcell" / "toy_cell.zarr", mode="r")
    scaled = np.minimum(np.asarray(atlas.X, np.float64) / scales_of(atlas, "toy_cell"), 1)
    for i, row in enumerate(result.obs["atlas_row"]):
        np.testing.assert_allclose(store["input"][i, WINDOW // 2, :-1], scaled[row], rtol=1e-6)
    _, motif = as_gcell_reads(store, store.attrs["focus"])
    assert np.abs(motif * WINDOW - result.X).max() <= 1e-5 * max(1, np.abs(result.X).max())


def wide_windows_are_read_at_100(folder):
    """Whatever the focus of the model: gcell's code says 100."""
    prepare(folder)
    rng = np.random.default_rng(3)
    with open(folder / "genome.fa", "a") as genome, open(folder / "regions.bed", "a") as regions:
        genome.write(f">chr4\n{random_sequence(rng, 20000)}\n")
        regions.writelines(f"chr4\t{start}\t{start + 60}\n" for start in range(100, 19900, 130))
    (folder / "genes.gtf").write_text("".join(
        f'chr4\ttoy\ttranscript\t{start}\t{start + 50}\t.\t{strand}\t.\tgene_id "w{start}"; gene_name "n{start}";\n'
        for start, strand in ((300, "+"), (6500, "-"), (9000, "-"), (11000, "+"), (19700, "-"))))
    (folder / "atlas.h5ad").unlink()
    mpira("features", "--config", folder / "features.toml", code=0)
    atlas = read_anndata(folder / "atlas.h5ad")
    write_weights(folder / "all.safetensors", atlas, "expression", 2, [])
    (folder / "weights.tsv").write_text("other\tall.safetensors\n")
    result = stores_of(folder, atlas, """[windows]
size = 130
focus = 40
[rows]
chroms = ["chr4"]
[results]
jacobian = "f32"
""")
    store = zarr.open(folder / "gcell" / "other.zarr", mode="r")
    genes, motif = as_gcell_reads(store, 100)
    assert store.attrs["focus"] == 100 and {"complete", "shifted"} == set(result.obs["window"])
    assert genes["Start"].tolist() == result.obs["region_start"].tolist()
    same_numbers(genes["pred"], result.obs["predicted"])
    assert np.abs(motif * 130 - result.X).max() <= 1e-5 * max(1, np.abs(result.X).max())


def wrong_requests_are_named(folder):
    atlas, _ = prepare(folder)
    run(folder, "jacobian.h5ad")
    run(folder, "regions.h5ad", genes=False, extra='[results]\njacobian = "f16"\n')
    run(folder, "whole.h5ad", extra='[results]\njacobian = "f16"\n')
    mpira("synthetic", "--set", "rows=10", "--output", folder / "synthetic.h5ad", code=0)
    (folder / "there").mkdir()
    jacobian, out, atlas_file = folder / "jacobian.h5ad", folder / "out", ("--atlas", folder / "atlas.h5ad")

    def refused(what, *arguments):
        text = mpira("export", *arguments, code=2).text
        assert what in text, f"{what!r} not in {text}"
        assert not out.exists() and not list(folder.glob(".*draft"))

    refused("results.jacobian", jacobian, "--format", "gcell-zarr", "--output", out, *atlas_file)
    refused("--atlas FILE", folder / "whole.h5ad", "--format", "gcell-zarr", "--output", out)
    refused("genes.file", folder / "regions.h5ad", "--format", "gcell-zarr", "--output", out, *atlas_file)
    refused("of mpira jacobian", folder / "synthetic.h5ad", "--format", "gcell-zarr", "--output", out, *atlas_file)
    refused("exists", folder / "whole.h5ad", "--format", "gcell-zarr", "--output", folder / "there", *atlas_file)
    refused("there is no folder", jacobian, "--format", "tsv", "--output", folder / "nowhere" / "x.tsv")
    refused("COLUMN=VALUE", jacobian, "--format", "tsv", "--output", out, "--rows", "strand")
    refused("did you mean 'cell_type'", jacobian, "--format", "tsv", "--output", out, "--rows", "cel_type=other")
    refused("no row has that", jacobian, "--format", "tsv", "--output", out, "--rows", "cell_type=another")
    refused("did you mean 'layers/mean_abs'", jacobian, "--format", "tsv", "--output", out, "--values", "layers/mean_ab")
    refused("which of the", jacobian, "--format", "bedgraph", "--output", out)
    refused("neither a variable nor", jacobian, "--format", "bedgraph", "--output", out, "--column", "gene_id")
    refused("which tracks need", folder / "synthetic.h5ad", "--format", "bedgraph", "--output", out)
    refused("does nothing with", jacobian, "--format", "tsv", "--output", out, "--column", "predicted")
    refused(".bz2", jacobian, "--format", "tsv", "--output", folder / "x.tsv.bz2")
    refused(".h5ad", jacobian, "--format", "tsv", "--output", folder / "x.h5ad")
    refused("parquet", jacobian, "--format", "parquet", "--output", out)
    # Another atlas under the same name.
    other = folder / "other"
    other.mkdir()
    make_other_atlas(other, folder)
    refused("was computed from", folder / "whole.h5ad", "--format", "gcell-zarr", "--output", out, "--atlas",
            other / "atlas.h5ad")
    # What exists is kept under another name, as everywhere.
    export(folder / "whole.h5ad", "gcell-zarr", folder / "there", *atlas_file, "--overwrite")
    assert (folder / "there.old").is_dir() and json.loads((folder / "there" / ".zgroup").read_text())


def make_other_atlas(folder, of):
    text = (of / "features.toml").read_text().replace(f'"{of}/atlas.h5ad"', f'"{folder}/atlas.h5ad"')
    (folder / "features.toml").write_text(text.replace("p_value = 2e-3", "p_value = 1e-3"))
    mpira("features", "--config", folder / "features.toml", code=0)


if __name__ == "__main__":
    run_cases([tables_hold_every_value, tracks_have_one_value_a_base, gcell_reads_the_stores,
               both_strands_stand_in_one_entry, each_cell_type_has_its_scales,
               wide_windows_are_read_at_100, wrong_requests_are_named])
