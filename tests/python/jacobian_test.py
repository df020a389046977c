"""mpira jacobian (and predict) against a plain Python loop over genes (autograd on get_reference.py in double): 1e-5. Then the same
bytes on 1 to 4 ranks and after kill -9, the file in anndata without warnings, and wrong inputs by name.
"""
import random
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import sparse

sys.path.insert(0, str(Path(__file__).parent))
import get_reference
from mpira_test import assert_equal_results, kill_and_resume, mpira, read_anndata, run_cases
from toy import FOCUS, WINDOW, make_inputs, scales_of, write_weights

TOLERANCE = 1e-5  # max|a-b| / max(1, max|b|)
FLANK, NEAREST, STEPS = 60, 4, 50


def write_genes(folder, atlas):
    """Genes near regions, on both strands, some with several starts, some sharing a region; a GTF."""
    rng = np.random.default_rng(8)
    lines = []
    chrom, start, end = (atlas.obs[k].to_numpy() for k in ("chrom", "start", "end"))
    for row in range(len(chrom)):
        if rng.random() > 0.55 and chrom[row] != "chr3":
            continue
        for copy in range(int(rng.integers(1, 3))):
            strand = "+-"[int(rng.integers(2))]
            gene = f"g{row}.{copy}"
            for transcript in range(int(rng.integers(1, 4))):
                tss = int(start[row] + rng.integers(-70, end[row] - start[row] + 260))
                first, last = (tss, tss + 200) if strand == "+" else (tss - 200, tss)
                first = max(first, 0)
                lines.append((chrom[row], first + 1, last + 1, strand, gene))
    text = "".join(f'{c}\ttoy\ttranscript\t{a}\t{b}\t.\t{s}\t.\tgene_id "{g}"; gene_name "n{g}"; gene_type "coding";\n'
                   for c, a, b, s, g in lines)
    (folder / "genes.gtf").write_text(text)
    return [(c, a - 1 if s == "+" else b - 1, s, g) for c, a, b, s, g in lines]


def prepare(folder):
    make_inputs(folder)
    atlas = read_anndata(folder / "atlas.h5ad")
    write_weights(folder / "open.safetensors", atlas, "expression", 1, [], "quantitative")
    write_weights(folder / "all.safetensors", atlas, "expression", 2, [])
    (folder / "weights.tsv").write_text("toy_cell\topen.safetensors\nother\tall.safetensors\n")
    return atlas, write_genes(folder, atlas)


def settings(folder, output, extra="", genes=True):
    text = f"""
output = "{output}"
[atlas]
file = "{folder}/atlas.h5ad"
[model]
weights_by_cell_type = "{folder}/weights.tsv"
micro_batch = 3
[region_scores]
nearest = {NEAREST}
[units]
rows = 7
"""
    if genes:
        text += f'[genes]\nfile = "{folder}/genes.gtf"\npromoter_bp = {FLANK}\n'
    return text + extra


def run(folder, output, *more, ranks=0, extra="", genes=True, code=0):
    (folder / "jacobian.toml").write_text(settings(folder, folder / output, extra, genes))
    return mpira("jacobian", "--config", folder / "jacobian.toml", *more, ranks=ranks, code=code)


# ---- the plain loop


def expected_rows(atlas, starts):
    """(gene, region, strand) -> position: every region that meets a promoter of the gene."""
    chrom, start, end = (atlas.obs[k].to_numpy() for k in ("chrom", "start", "end"))
    found = {}
    for c, position, strand, gene in starts:
        for row in range(len(chrom)):
            if chrom[row] == c and start[row] <= position + FLANK and end[row] > position - FLANK:
                found.setdefault((gene, row, strand), set()).add(position)
    centre = (start + end) // 2
    return {key: (min(all_, key=lambda p: (abs(p - centre[key[1]]), p)), len(all_)) for key, all_ in found.items()}


def window_around(atlas, row):
    chrom = atlas.obs["chrom"].to_numpy()
    here = np.flatnonzero(chrom == chrom[row])
    size = min(WINDOW, len(here))
    first = min(max(row - FOCUS, here[0]), here[-1] + 1 - size)
    return int(first), size


def gradient(w, a, x, focus, output):
    x = torch.tensor(x, requires_grad=True)
    shift = torch.zeros(1, len(x), a["dim"], dtype=torch.double, requires_grad=True)
    out = get_reference.forward(w | {"region_embed.embed.bias": w["region_embed.embed.bias"] + shift}, a, x[None])
    of_x, of_embedding = torch.autograd.grad(out[0, focus, output], [x, shift])
    return out[0, focus, output].item(), of_x.numpy(), of_embedding[0].norm(dim=1).numpy()


class Loop:
    """What the job should say, row by row."""

    def __init__(self, folder, atlas):
        self.atlas = atlas
        self.base = np.minimum(np.asarray(atlas.X, dtype=np.float64) / scales_of(atlas), 1)
        cell = list(atlas.uns["cell_types"]).index("toy_cell")
        self.columns = {"toy_cell": np.asarray(atlas.obsm["accessibility"], dtype=np.float64)[:, cell],
                        "other": np.ones(atlas.n_obs)}
        self.models = {"toy_cell": get_reference.load(folder / "open.safetensors"),
                       "other": get_reference.load(folder / "all.safetensors")}
        self.centre = ((atlas.obs["start"] + atlas.obs["end"]) // 2).to_numpy()

    def window(self, cell_type, row):
        first, size = window_around(self.atlas, row)
        rows = slice(first, first + size)
        return np.concatenate([self.base[rows], self.columns[cell_type][rows, None]], axis=1), first, row - first

    def of(self, cell_type, row, output, position):
        w, card = self.models[cell_type]
        x, first, focus = self.window(cell_type, row)
        out, jacobian, norms = gradient(w, card["architecture"], x, focus, output)
        score = self.scaled(norms * x[:, -1], first, focus, position)
        return out, x, jacobian, score, first, focus

    def scaled(self, score, first, focus, position):
        """Divided by the sum of the magnitudes of the regions nearest to the start, its own left out."""
        others = [r for r in range(len(score)) if r != focus]
        others.sort(key=lambda r: abs(self.centre[first + r] - position))
        total = np.abs(score[others[:NEAREST]]).sum()
        return score / total if total > 0 else 0 * score


def near(what, ours, theirs):
    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    off = np.abs(ours - theirs).max() / max(1, np.abs(theirs).max())
    assert off <= TOLERANCE, f"{what}: {off} apart"
    return off


def equals_a_plain_loop(folder):
    atlas, starts = prepare(folder)
    run(folder, "jacobian.h5ad", ranks=2, extra="""[summaries]
regions = ["sum", "mean_abs", "mean", "l2"]
features = ["sum", "l2"]
[results]
jacobian = "f16"
""")
    result = read_anndata(folder / "jacobian.h5ad")
    loop = Loop(folder, atlas)
    expected = expected_rows(atlas, starts)
    genes = {gene for gene, _, _ in expected}
    assert len(expected) > 40 and len(genes) < len(expected), "no gene has several regions"
    assert list(result.var_names) == [*atlas.var_names, "accessibility"]
    assert result.obs["done"].all() and set(result.obs["window"]) == {"complete", "shifted", "short"}
    seen, worst = set(), 0.0
    for i, (name, obs) in enumerate(result.obs.iterrows()):
        key = (obs["gene_id"], int(obs["atlas_row"]), obs["strand"])
        seen.add((obs["cell_type"], *key))
        position, count = expected[key]
        assert (obs["position"], obs["starts"]) == (position, count), name
        row, output = key[1], "+-".index(obs["strand"])
        assert obs["output"] == ("plus", "minus")[output] and obs["gene_name"] == "n" + obs["gene_id"]
        assert obs["chrom"] == atlas.obs["chrom"].iloc[row] and obs["region_start"] == atlas.obs["start"].iloc[row]
        out, x, jacobian, score, first, focus = loop.of(obs["cell_type"], row, output, position)
        assert (obs["window_start"], obs["window_regions"], obs["focus"]) == (first, len(x), focus), name
        kind = "short" if len(x) < WINDOW else "complete" if focus == FOCUS else "shifted"
        assert obs["window"] == kind, name
        product = jacobian * x
        rows = slice(first, first + len(x))
        layers = result.layers
        worst = max(worst, near("predicted", obs["predicted"], out), near("X", result.X[i], product.sum(0)),
                    near("mean_abs", layers["mean_abs"][i], np.abs(product).mean(0)),
                    near("mean", layers["mean"][i], product.mean(0)),
                    near("l2", layers["l2"][i], np.sqrt((product**2).sum(0))))
        assert np.isnan(obs["observed"])
        for part, by_region in (("sum", product.sum(1)), ("l2", np.sqrt((product**2).sum(1))), ("score", score)):
            matrix = result.obsm[f"region_{part}"]
            assert sparse.issparse(matrix) and matrix.shape == (result.n_obs, atlas.n_obs)
            full = np.zeros(atlas.n_obs)
            full[rows] = by_region
            ours = matrix[i].toarray().ravel()
            assert len(set(matrix[i].indices)) == WINDOW
            worst = max(worst, near(f"region_{part}", ours, full))
        kept = result.obsm["jacobian"][i].astype(np.float64)
        assert np.abs(kept).max() < 2**15 and (np.abs(kept).max() >= 2**14 * (1 - 2**-11) or not jacobian.any())
        assert np.abs(kept[:len(x)] * obs["jacobian_scale"] - jacobian).max() <= 2**-10 * np.abs(jacobian).max()
        assert not kept[len(x):].any()
    assert seen == {(cell, *key) for cell in ("toy_cell", "other") for key in expected}

    summaries_may_be_scaled(folder, result, loop)
    values, begin, count = (np.asarray(result.uns[k]) for k in ("gene_by_motif", "gene_first_row", "gene_row_count"))
    assert count.sum() == result.n_obs and len(values) == 2 * len(genes)
    for value, first, number in zip(values, begin, count):
        assert len(set(result.obs["gene_id"].iloc[first:first + number])) == 1
        near("gene value", value, result.X[first:first + number].mean(0))
    print(f"{result.n_obs} rows of {len(genes)} genes and 2 cell types, worst difference {worst:.1e}")


def summaries_may_be_scaled(folder, plain, loop):
    """Gradient x input of regions, comparable between genes (row 48 of the systems); everything else is as it was."""
    text = settings(folder, folder / "scaled.h5ad", '[summaries]\nfeatures = ["sum", "l2"]\n')
    (folder / "jacobian.toml").write_text(text.replace("[region_scores]", "[region_scores]\nscale_summaries = true"))
    mpira("jacobian", "--config", folder / "jacobian.toml", code=0)
    result = read_anndata(folder / "scaled.h5ad")
    assert np.array_equal(result.X, plain.X) and (result.obsm["region_score"] != plain.obsm["region_score"]).nnz == 0
    sums, scaled = ((data.obsm["region_sum"].toarray(), data.obsm["region_l2"].toarray()) for data in (plain, result))
    for i, (name, obs) in enumerate(result.obs.iterrows()):
        first, size = int(obs["window_start"]), int(obs["window_regions"])
        for before, after in zip(sums, scaled):
            expected = loop.scaled(before[i, first:first + size].astype(np.float64), first, int(obs["focus"]), obs["position"])
            near(f"{name}: scaled", after[i, first:first + size], expected)


def full_jacobians_in_other_types(folder):
    """f32 as it is; bf16 its upper half, rounded, which h5py and anndata give as float32."""
    kept = {}
    for kind in ("f32", "bf16"):
        run(folder, "full.h5ad", "--fresh", "--overwrite", extra=f'[results]\njacobian = "{kind}"\n[rows]\nchroms = ["chr3"]\n')
        result = read_anndata(folder / "full.h5ad")
        assert "jacobian_scale" not in result.obs and result.obsm["jacobian"].dtype == np.float32
        kept[kind] = torch.tensor(result.obsm["jacobian"])
    assert torch.equal(kept["bf16"], kept["f32"].to(torch.bfloat16).float()) and kept["f32"].abs().max() > 0
    assert not torch.equal(kept["bf16"], kept["f32"])


def other_methods(folder):
    atlas, starts = prepare(folder)
    (folder / "weights.tsv").write_text("toy_cell\topen.safetensors\n")
    loop = Loop(folder, atlas)
    w, card = loop.models["toy_cell"]
    a = card["architecture"]
    chosen = '[rows]\nchroms = ["chr3", "chr2"]\n[region_scores]\nkeep = false\n'
    text = lambda method: chosen.replace("[region_scores]", f"[attribution]\n{method}\n[region_scores]")

    def run_method(name, method):
        toml = settings(folder, folder / name, text(method)).replace(f"[region_scores]\nnearest = {NEAREST}\n", "")
        (folder / "jacobian.toml").write_text(toml)
        mpira("jacobian", "--config", folder / "jacobian.toml", code=0)
        return read_anndata(folder / name)

    def read(x, focus, output):
        with torch.no_grad():
            return get_reference.forward(w, a, torch.tensor(x)[None])[0, focus, output].item()

    integrated = run_method("integrated.h5ad", 'method = "integrated_gradients"')
    knocked = run_method("knocked.h5ad", 'method = "knock_out"')
    each = run_method("each.h5ad", 'method = "knock_out"\nknock_out = "each"')
    plain = run_method("plain.h5ad", 'method = "gradient"')
    assert 5 < integrated.n_obs and set(integrated.obs["chrom"]) == {"chr2", "chr3"}
    assert integrated.uns["attribution"]["steps"] == STEPS and "region_score" not in integrated.obsm
    for i, (name, obs) in enumerate(integrated.obs.iterrows()):
        output = "+-".index(obs["strand"])
        out, x, jacobian, *_ = loop.of("toy_cell", int(obs["atlas_row"]), output, obs["position"])
        focus = int(obs["focus"])
        start = x.copy()
        start[:, :-1] = 0
        baseline = read(start, focus, output)
        near("baseline", obs["baseline"], baseline)
        assert abs(obs["completeness_gap"]) <= 1e-3 * max(1, abs(out - baseline)), name
        near("completeness", integrated.X[i].sum() - obs["completeness_gap"], out - baseline)
        near("gradient", plain.X[i], jacobian.sum(0))
        if i % 4:  # the loops below take long
            continue
        mean = sum(gradient(w, a, start + (s + 0.5) / STEPS * (x - start), focus, output)[1] for s in range(STEPS))
        near("integrated", integrated.X[i], (mean / STEPS * (x - start)).sum(0))
        for f in range(x.shape[1]):
            gone = x.copy()
            gone[:, f] = 0
            near("knock-out", knocked.X[i, f], out - read(gone, focus, output))
            effects = []
            for r in range(len(x)):
                gone = x.copy()
                gone[r, f] = 0
                effects.append(out - read(gone, focus, output))
            near("knock-out in each", each.X[i, f], sum(effects))
            near("knock-out in each, absolute", each.layers["mean_abs"][i, f], np.abs(effects).mean())
    assert list(knocked.layers) == [] and knocked.uns["attribution"]["knock_out"] == "all"


def rows_may_be_regions(folder):
    atlas, _ = prepare(folder)
    full_jacobians_in_other_types(folder)
    run(folder, "regions.h5ad", genes=False)
    result = read_anndata(folder / "regions.h5ad")
    assert result.n_obs == 2 * 2 * atlas.n_obs and "gene_by_motif" not in result.uns  # cell types x outputs
    assert "gene_id" not in result.obs and set(result.obs["output"]) == {"plus", "minus"}
    # Neither strand is the sum of both, as the published code has it.
    table = result.obs.set_index(["cell_type", "atlas_row", "output"])["predicted"]
    assert len(table) == result.n_obs and table.index.is_unique
    minus, plus = (result.X[(result.obs["output"] == o).to_numpy()] for o in ("minus", "plus"))
    loop = Loop(folder, atlas)
    rows = np.flatnonzero(result.obs["output"] == "minus")
    row = rows[len(rows) // 3]
    obs = result.obs.iloc[row]
    out, x, jacobian, *_ = loop.of(obs["cell_type"], int(obs["atlas_row"]), 1, obs["position"])
    near("minus strand", result.X[row], (jacobian * x).sum(0))
    assert np.abs(minus - (minus + plus)).max() > 0.01

    chosen = run(folder, "skip.h5ad", genes=False, extra='[windows]\nends = "skip"\n[outputs]\nnames = ["plus"]\n')
    skipped = read_anndata(folder / "skip.h5ad")
    kept = [row for row in range(atlas.n_obs) if row - window_around(atlas, row)[0] == FOCUS
            and window_around(atlas, row)[1] == WINDOW]
    assert skipped.obs["atlas_row"].tolist() == kept * 2 and set(skipped.obs["window"]) == {"complete"}
    assert len(skipped.uns["left_out"]["at_ends"]) == 2 * (atlas.n_obs - len(kept))
    assert "meet the end of a chromosome" in chosen.text


def predictions_of_genes_and_regions(folder):
    atlas, starts = prepare(folder)
    loop, expected = Loop(folder, atlas), expected_rows(atlas, starts)
    for genes in (True, False):
        text = settings(folder, folder / "predict.h5ad", genes=genes)
        text = text.replace(f"[region_scores]\nnearest = {NEAREST}\n", "")
        (folder / "predict.toml").write_text(text)
        for output, ranks in (("one.h5ad", 0), ("three.h5ad", 3)):
            mpira("predict", "--config", folder / "predict.toml", "--output", folder / output, "--fresh", "--overwrite",
                  ranks=ranks, code=0)
        assert_equal_results(folder / "one.h5ad", folder / "three.h5ad")
        result = read_anndata(folder / "three.h5ad")
        assert list(result.var_names) == ["plus", "minus"] and np.isnan(result.layers["observed"]).all()
        assert result.n_obs == 2 * (len(expected) if genes else atlas.n_obs)
        for i in range(0, result.n_obs, 3):
            obs = result.obs.iloc[i]
            w, card = loop.models[obs["cell_type"]]
            x, first, focus = loop.window(obs["cell_type"], int(obs["atlas_row"]))
            with torch.no_grad():
                out = get_reference.forward(w, card["architecture"], torch.tensor(x)[None])[0, focus].numpy()
            near("prediction", result.X[i], out)
            assert (obs["window_start"], obs["focus"]) == (first, focus)
    # The gene's own strand in a Jacobian's file is the same prediction.
    run(folder, "jacobian.h5ad")
    jacobian = read_anndata(folder / "jacobian.h5ad").obs
    text = settings(folder, folder / "p.h5ad").replace(f"[region_scores]\nnearest = {NEAREST}\n", "")
    (folder / "predict.toml").write_text(text)
    mpira("predict", "--config", folder / "predict.toml", code=0)
    result = read_anndata(folder / "p.h5ad")
    assert list(result.obs_names) == list(jacobian.index)
    own = result.X[np.arange(result.n_obs), ["+-".index(strand) for strand in jacobian["strand"]]]
    near("own strand", own, jacobian["predicted"])
    assert np.array_equal(own, result.obs["predicted"]) and np.isnan(result.obs["observed"]).all()
    assert np.isnan(result.uns["gene_observed"]).all()


def add_expression(folder, columns):
    """The toy atlas anew, with these expression columns; drawn numbers that no model predicts."""
    chrom, start, end = (read_anndata(folder / "atlas.h5ad").obs[k].to_numpy() for k in ("chrom", "start", "end"))
    values = np.random.default_rng(13).uniform(1, 9, (len(chrom), len(columns))).astype(np.float32)
    lines = ["\t".join(["chrom", "start", "end", *columns])]
    lines += ["\t".join(map(str, (*place, *row))) for place, row in zip(zip(chrom, start, end), values)]
    (folder / "expression.tsv").write_text("\n".join(lines) + "\n")
    mpira("features", "--config", folder / "features.toml", "--set", f"expression.table={folder / 'expression.tsv'}",
          "--fresh", "--overwrite", code=0)
    return dict(zip(columns, values.T))


def values_of_genes(folder, predicted):
    """What predict says of a gene: its rows together, as genes.value asks."""
    of_gene = lambda frame: frame.groupby([predicted.obs["cell_type"], predicted.obs["gene_id"]], observed=True, sort=False)
    best = of_gene(predicted.obs)["predicted"].idxmax()
    assert len(best) < predicted.n_obs, "each gene has one row"
    for how in ("mean", "max", "sum", "highest_predicted"):
        mpira("predict", "--config", folder / "predict.toml", "--set", f"genes.value={how}", "--set",
              f"cell_types={','.join(predicted.obs['cell_type'].unique())}", "--output", folder / "v.h5ad", "--fresh",
              "--overwrite", code=0)
        ours = read_anndata(folder / "v.h5ad").uns
        assert ours["gene_value"] == how and len(ours["gene_first_row"]) == len(best)
        for what in ("predicted", "observed"):
            theirs = predicted.obs.loc[best, what] if how == "highest_predicted" else of_gene(predicted.obs)[what].agg(how)
            np.testing.assert_allclose(ours[f"gene_{what}"], theirs, rtol=1e-6)


def observed_is_the_atlas_at_the_rows_region(folder):
    prepare(folder)
    both = {"toy_cell.plus", "toy_cell.minus", "plus", "minus", "x.other.plus", "x.other.minus"}
    table = add_expression(folder, sorted(both))
    chosen = '[expression]\nobserved = "x.{cell_type}.{output}"\n'

    def jacobian_and_predict(cell_types, extra):
        more = ("--set", f"cell_types={cell_types}", "--fresh", "--overwrite")
        run(folder, "jacobian.h5ad", *more, extra=extra)
        text = settings(folder, folder / "predict.h5ad", extra).replace(f"[region_scores]\nnearest = {NEAREST}\n", "")
        (folder / "predict.toml").write_text(text)
        mpira("predict", "--config", folder / "predict.toml", *more, ranks=2, code=0)
        return read_anndata(folder / "jacobian.h5ad").obs, read_anndata(folder / "predict.h5ad")

    # The cell type's own columns, those of the output where it has none, and those that were asked for.
    for cell_types, extra, patterns in (("toy_cell,other", "", {"toy_cell": "toy_cell.{}", "other": "{}"}),
                                        ("other", chosen, {"other": "x.other.{}"})):
        rows, predicted = jacobian_and_predict(cell_types, extra)
        assert set(rows["cell_type"]) == set(patterns) and set(rows["output"]) == {"plus", "minus"}
        values_of_genes(folder, predicted)
        expected = [table[patterns[row.cell_type].format(row.output)][row.atlas_row] for row in rows.itertuples()]
        assert np.array_equal(predicted.obs["observed"], rows["observed"])
        assert np.array_equal(rows["observed"].to_numpy(np.float32), np.float32(expected))
        assert len(set(expected)) > len(rows) / 4
        for output, name in enumerate(predicted.var_names):
            expected = [table[patterns[row.cell_type].format(name)][row.atlas_row] for row in predicted.obs.itertuples()]
            assert np.array_equal(predicted.layers["observed"][:, output], np.float32(expected)), name

    # An output called by the model's own cell type is, in rows of another one, that one's, or nothing.
    atlas = read_anndata(folder / "atlas.h5ad")
    named = {"output_names": ["toy_cell.plus", "toy_cell.minus"]}
    write_weights(folder / "open.safetensors", atlas, "expression", 1, [], card=named)
    (folder / "weights.tsv").write_text("toy_cell\topen.safetensors\nother\topen.safetensors\n")
    for known in (["toy_cell"], ["other", "toy_cell"]):
        table = add_expression(folder, [f"{cell}.{strand}" for cell in known for strand in ("minus", "plus")])
        _, predicted = jacobian_and_predict("toy_cell,other", "")
        for output, strand in enumerate(("plus", "minus")):
            for cell in ("toy_cell", "other"):
                here = (predicted.obs["cell_type"] == cell).to_numpy()
                nothing = np.full(predicted.n_obs, np.nan)
                expected = table.get(f"{cell}.{strand}", nothing)[predicted.obs["atlas_row"].to_numpy()[here]]
                assert np.array_equal(predicted.layers["observed"][here, output], np.float32(expected), equal_nan=True)

    # Models that predict accessibility are held against that, in cell types that the atlas has.
    atlas = read_anndata(folder / "atlas.h5ad")
    write_weights(folder / "open.safetensors", atlas, "accessibility", 3, [])
    (folder / "weights.tsv").write_text("toy_cell\topen.safetensors\nelsewhere\topen.safetensors\n")
    cell = np.asarray(atlas.obsm["accessibility"])[:, list(atlas.uns["cell_types"]).index("toy_cell")]
    rows, predicted = jacobian_and_predict("toy_cell,elsewhere", "")
    for obs, observed in ((rows, rows["observed"].to_numpy()), (predicted.obs, predicted.layers["observed"][:, 0])):
        known = (obs["cell_type"] == "toy_cell").to_numpy()
        assert 0 < known.sum() < len(obs) and np.isnan(observed[~known]).all()
        assert np.array_equal(observed[known], cell[obs["atlas_row"].to_numpy()[known]])
        assert set(observed[known]) == {0, 1}


def same_bytes_on_any_rank_count_and_after_kills(folder):
    prepare(folder)
    extra = '[outputs]\nstrands = "both"\n[commit]\nunits = 1\nseconds = 0.01\n'
    run(folder, "one.h5ad", extra=extra)
    for ranks in (2, 3, 4):
        run(folder, f"{ranks}.h5ad", ranks=ranks, extra=extra)
        assert_equal_results(folder / "one.h5ad", folder / f"{ranks}.h5ad")
    whole = read_anndata(folder / "one.h5ad")
    assert (whole.obs["output"] == "plus").sum() == whole.n_obs / 2
    killed = folder / "killed.h5ad"
    (folder / "jacobian.toml").write_text(settings(folder, killed, extra))

    def some_rows_are_done(done, data):
        assert data.obs["done"].sum() > 0

    counts = kill_and_resume(["jacobian", "--config", folder / "jacobian.toml"], killed, chance=random.Random(2), kills=3,
                             ranks=[1, 2, 3], check=some_rows_are_done)
    assert counts, "over before the first kill"
    mpira("jacobian", "--config", folder / "jacobian.toml", ranks=2, code=0)
    assert_equal_results(folder / "one.h5ad", killed)
    mpira("verify", killed, code=0)
    mpira("seal", killed, "--output", folder / "sealed.h5ad", code=0)
    sealed = read_anndata(folder / "sealed.h5ad")
    assert np.array_equal(sealed.X, whole.X)
    assert (sealed.obsm["region_score"] != whole.obsm["region_score"]).nnz == 0
    print(f"units done after each kill: {counts}")


def wrong_inputs(folder):
    atlas, starts = prepare(folder)
    good = settings(folder, folder / "never.h5ad")
    cases = [
        ("two weights", good.replace("micro_batch", f'weights = "{folder}/all.safetensors"\nmicro_batch'),
         ["model.weights", "exactly one"]),
        ("unknown cell type", 'cell_types = ["toy_cel"]' + good, ["cell_types", "toy_cel", "did you mean 'toy_cell'"]),
        ("cell type twice", 'cell_types = ["other", "other"]' + good, ["cell_types", "'other' is there twice"]),
        ("genes of no type", good.replace("[genes]", '[genes]\ntypes = ["rRNA"]'), ["genes.gtf", "rRNA", "coding"]),
        ("gene file's ending", good.replace("genes.gtf", "weights.tsv"), ["weights.tsv", ".gtf"]),
        ("no gene file", good.replace("genes.gtf", "gones.gtf"), ["gones.gtf"]),
        ("chromosome", good + '[rows]\nchroms = ["chr22"]\n', ["rows.chroms", "chr22"]),
        ("summary", good + '[summaries]\nregions = ["medium"]\n', ["summaries.regions", "medium"]),
        ("no summary", good + "[summaries]\nregions = []\n", ["summaries.regions"]),
        ("focus", good + "[windows]\nfocus = 9\n", ["windows.focus", "9"]),
        ("outputs of genes", good + '[outputs]\nnames = ["plus"]\n', ["outputs.names", "outputs.plus"]),
        ("strand of regions", settings(folder, folder / "never.h5ad", '[outputs]\nplus = "plus"\n', genes=False),
         ["outputs.plus", "no genes.file"]),
        ("promoters of regions", settings(folder, folder / "never.h5ad", "[genes]\npromoter_bp = 9\n", genes=False),
         ["genes.promoter_bp", "no genes.file"]),
        ("output", good + '[outputs]\nplus = "pluss"\n', ["outputs.plus", "pluss", "did you mean 'plus'"]),
        ("observed", good + '[expression]\nobserved = "{cell_type}.rna"\n', ["toy_cell.rna"]),
        ("span", good + "[windows]\nmax_span_bp = 10\n", ["toy_cell", "max_span_bp"]),
        ("jacobian of knock-outs", good + '[attribution]\nmethod = "knock_out"\n[results]\njacobian = "f16"\n',
         ["results.jacobian"]),
        ("steps of no integral", good + "[attribution]\nsteps = 9\n", ["attribution.steps", "integrated_gradients"]),
        ("knock-out of gradients", good + '[attribution]\nknock_out = "each"\n', ["attribution.knock_out", "gradient_x_input"]),
        ("method", good + '[attribution]\nmethod = "gradients"\n', ["attribution.method", "gradients"]),
    ]
    for name, text, fragments in cases:
        (folder / "wrong.toml").write_text(text)
        result = mpira("jacobian", "--config", folder / "wrong.toml")
        assert result.returncode == 2, f"{name}: {result}"
        for fragment in fragments:
            assert fragment in result.stderr, f"{name}: {fragment!r} is not in {result}"
    assert not (folder / "never.h5ad").exists()
    tables = [("weights.tsv", "toy_cell\n", ["weights.tsv", "line 1", "1 field"]),
              ("weights.tsv", "toy_cell\tall.safetensors\ntoy_cell\tall.safetensors\n", ["line 2", "given twice"]),
              ("weights.tsv", "nowhere\topen.safetensors\n", ["'nowhere'", "atlas.h5ad"]),
              ("genes.gtf", "chr1\tx\ttranscript\t1\n", ["genes.gtf line 1", "9 tab-separated"])]
    (folder / "wrong.toml").write_text(good)
    for file, content, fragments in tables:
        before = (folder / file).read_text()
        (folder / file).write_text(content)
        result = mpira("jacobian", "--config", folder / "wrong.toml")
        assert result.returncode == 2, result
        for fragment in fragments:
            assert fragment in result.stderr, f"{content!r}: {fragment!r} is not in {result}"
        (folder / file).write_text(before)
    print(f"{len(cases) + len(tables)} kinds")
    # A model without a cell type needs a name for its rows.
    write_weights(folder / "nameless.safetensors", atlas, "expression", 2, [], card={"cell_type": ""})
    nameless = good.replace("weights_by_cell_type", "weights").replace("weights.tsv", "nameless.safetensors")
    (folder / "wrong.toml").write_text(nameless)
    result = mpira("jacobian", "--config", folder / "wrong.toml", code=2)
    assert "cell_types" in result.stderr and "nameless.safetensors" in result.stderr, result
    told = mpira("jacobian", "--config", folder / "wrong.toml", "--set", "cell_types=liver", "--output", folder / "l.h5ad", code=0)
    assert "has no 'liver'" in told.text, told
    assert set(read_anndata(folder / "l.h5ad").obs["cell_type"]) == {"liver"}
    # What a cell type leaves out is counted without that of those before it.
    write_weights(folder / "all.safetensors", atlas, "expression", 2, [], card={"window": 2 * WINDOW, "focus": WINDOW})
    chrom, start, end = (atlas.obs[k].to_numpy() for k in ("chrom", "start", "end"))
    rows = [row for _, row, _ in expected_rows(atlas, starts) if chrom[row] != "chr3"]
    spans = [end[first + size - 1] - start[first] for first, size in (window_around(atlas, row) for row in rows)]
    limit = int(np.median(spans))
    assert min(spans) <= limit < max(spans)
    (folder / "wrong.toml").write_text(f'{good}[windows]\nmax_span_bp = {limit}\n[rows]\nchroms = ["chr1", "chr2"]\n')
    result = mpira("jacobian", "--config", folder / "wrong.toml", code=2)
    assert "'other': no row is left: 0 promoters" in result.stderr and f" {len(rows)} windows" in result.stderr, result


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cases([equals_a_plain_loop, other_methods, rows_may_be_regions, predictions_of_genes_and_regions,
               observed_is_the_atlas_at_the_rows_region, same_bytes_on_any_rank_count_and_after_kills, wrong_inputs])
