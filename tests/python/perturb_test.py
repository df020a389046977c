"""mpira perturb, crispri, and predict's embeddings against plain Python on get_reference.py in double: 1e-5.

Regions removed from windows (closed up and zeroed), gradient x input, power law and their product; measured pairs
scored from the file in numpy and judged by scikit-learn. The same bytes on 1 to 4 ranks and after kill -9; wrong
inputs by name.
"""
import functools
import gzip
import random
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score

sys.path.insert(0, str(Path(__file__).parent))
import get_reference
import jacobian_test
from jacobian_test import NEAREST, Loop, expected_rows, near
from mpira_test import assert_equal_results, kill_and_resume, mpira, read_anndata, run_cases

REACH, GAMMA, SCALE, LEAST_BP = 3, 1.5, 4.0, 300
PERTURB = f"[perturb]\nreach = {REACH}\n[powerlaw]\ngamma = {GAMMA}\nscale = {SCALE}\nleast_bp = {LEAST_BP}\n"
SCORES = ["knock_out", "knock_out_abs", "gradient_x_input", "gradient_x_input_abs", "powerlaw",
          "gradient_x_input_powerlaw", "gradient_x_input_powerlaw_abs", "proximity"]
TABLES = ["knock_out", "gradient_x_input", "powerlaw", "gradient_x_input_powerlaw", "distance_bp"]


@functools.cache
def made_once():
    """Inputs of jacobian_test.py, and the genes' perturb.h5ad: (folder's owner, atlas, starts)."""
    owner = tempfile.TemporaryDirectory(prefix="mpira-perturb-")
    folder = Path(owner.name)
    atlas, starts = jacobian_test.prepare(folder)
    run(folder, "perturb", "perturb.h5ad", extra=PERTURB)
    return owner, atlas, starts


def prepare(folder):
    owner, atlas, starts = made_once()
    shutil.copytree(owner.name, folder, dirs_exist_ok=True)
    return atlas, starts


def settings(folder, output, extra="", genes=True, rows=7):
    text = jacobian_test.settings(folder, folder / output, extra, genes)
    return text.replace(f"[region_scores]\nnearest = {NEAREST}\n", "").replace("rows = 7", f"rows = {rows}")


def run(folder, job, output, *more, ranks=0, extra="", genes=True, code=0):
    (folder / f"{job}.toml").write_text(settings(folder, output, extra, genes))
    return mpira(job, "--config", folder / f"{job}.toml", *more, ranks=ranks, code=code)


def without(w, a, x, focus, regions, mode):
    """The outputs at the focus when each region is gone."""
    if mode == "zero":
        changed = np.stack([np.where(np.arange(len(x))[:, None] == r, 0, x) for r in regions])
        places = [focus] * len(regions)
    else:
        changed = np.stack([np.delete(x, r, axis=0) for r in regions])
        places = [focus - (r < focus) for r in regions]
    with torch.no_grad():
        out = get_reference.forward(w, a, torch.tensor(changed))
    return out[torch.arange(len(regions)), places].numpy()


def equals_a_plain_loop(folder):
    atlas, starts = prepare(folder)
    loop, expected = Loop(folder, atlas), expected_rows(atlas, starts)
    worst = 0.0
    results = {}
    shutil.copy(folder / "perturb.h5ad", folder / "close.h5ad")  # the default
    run(folder, "perturb", "zero.h5ad", ranks=2, extra=PERTURB.replace("[perturb]", '[perturb]\nmode = "zero"'))
    for mode in ("close", "zero"):
        result = results[mode] = read_anndata(folder / f"{mode}.h5ad")
        assert result.n_obs == 2 * len(expected) and result.obs["done"].all()
        assert list(result.var_names) == ["plus", "minus"] and np.isnan(result.layers["observed"]).all()
        assert result.uns["perturb"]["mode"] == mode and result.uns["perturb"]["reach"] == REACH
        tables = {name: result.obsm[name] for name in TABLES}
        for i, (name, obs) in enumerate(result.obs.iterrows()):
            w, card = loop.models[obs["cell_type"]]
            row, output = int(obs["atlas_row"]), "+-".index(obs["strand"])
            x, first, focus = loop.window(obs["cell_type"], row)
            regions = [r for r in range(max(0, focus - REACH), min(len(x), focus + REACH + 1)) if r != focus]
            with torch.no_grad():
                whole = get_reference.forward(w, card["architecture"], torch.tensor(x)[None])[0, focus].numpy()
            full = {table: np.zeros(atlas.n_obs) for table in TABLES}
            places = [first + r for r in regions]
            gone = without(w, card["architecture"], x, focus, regions, mode)
            full["knock_out"][places] = (whole - gone)[:, output]
            distance = np.abs(loop.centre[places] - obs["position"])
            full["distance_bp"][places] = distance
            full["powerlaw"][places] = np.exp(SCALE - GAMMA * np.log(np.maximum(distance, LEAST_BP) + 1))
            if i % 3 == 0:
                _, _, jacobian, *_ = loop.of(obs["cell_type"], row, output, obs["position"])
                full["gradient_x_input"][places] = (jacobian * x).sum(1)[regions]
                full["gradient_x_input_powerlaw"] = full["gradient_x_input"] * full["powerlaw"]
            for table in TABLES:
                if "gradient" in table and i % 3:
                    continue
                matrix = tables[table][i]
                worst = max(worst, near(f"{name}: {table}", matrix.toarray().ravel(), full[table]))
                assert len(set(matrix.indices)) == 2 * REACH
            worst = max(worst, near("X", result.X[i], whole), near("predicted", obs["predicted"], whole[output]))
    apart = np.abs((results["close"].obsm["knock_out"] - results["zero"].obsm["knock_out"]).toarray()).max()
    assert apart > 1e-3, "removing a region and zeroing it do the same"
    names = np.asarray(atlas.obs["chrom"]).astype(str)
    uns = result.uns
    assert [uns["chrom_names"][c] for c in uns["region_chrom"]] == names.tolist()
    assert np.array_equal(uns["region_start"], atlas.obs["start"]) and np.array_equal(uns["region_end"], atlas.obs["end"])
    # The same numbers as the jacobian job's, region by region.
    jacobian_test.run(folder, "jacobian.h5ad")
    by_region = read_anndata(folder / "jacobian.h5ad").obsm["region_sum"].toarray()
    in_reach = result.obsm["powerlaw"].toarray() > 0
    near("region_sum", result.obsm["gradient_x_input"].toarray()[in_reach], by_region[in_reach])
    exported_as_a_table(folder, result, atlas)
    print(f"{result.n_obs} rows, both modes, worst difference {worst:.1e}")


def exported_as_a_table(folder, result, atlas):
    """mpira export --format enhancers: a line for every entry that isn't there to fill a row up, for pandas."""
    mpira("seal", folder / "zero.h5ad", "--output", folder / "sealed.h5ad", code=0)
    for file, more in (("zero.h5ad", ()), ("sealed.h5ad", ("--rows", "cell_type=other"))):
        mpira("export", folder / file, "--format", "enhancers", "--output", folder / "table.tsv.gz", "--overwrite", *more,
              code=0)
        table = pd.read_csv(folder / "table.tsv.gz", sep="\t", float_precision="round_trip")
        wanted = (result.obs["cell_type"] == "other").to_numpy() if more else np.ones(result.n_obs, bool)
        i, region = np.nonzero(result.obsm["powerlaw"].toarray() * wanted[:, None])
        assert len(table) == len(i) > 0 and table["row"].tolist() == result.obs_names[i].tolist()
        for name in ("cell_type", "gene_id", "gene_name", "strand", "output", "position"):
            assert table[name].tolist() == result.obs[name].iloc[i].tolist(), name
        for name, of_atlas in (("chrom", "chrom"), ("region_start", "start"), ("region_end", "end")):
            assert table[name].tolist() == atlas.obs[of_atlas].iloc[region].tolist(), name
        for name in TABLES:
            assert np.array_equal(table[name].to_numpy(np.float32), result.obsm[name].toarray()[i, region]), name
        assert np.array_equal(table["predicted"].to_numpy(np.float32), result.obs["predicted"].iloc[i])
    text = mpira("export", folder / "atlas.h5ad", "--format", "enhancers", "--output", folder / "no.tsv", code=2).text
    assert "of mpira perturb" in text and not (folder / "no.tsv").exists(), text


def rows_may_be_regions_and_reach_the_window(folder):
    atlas, _ = prepare(folder)
    (folder / "weights.tsv").write_text("other\tall.safetensors\n")
    run(folder, "perturb", "regions.h5ad", genes=False, extra='[perturb]\nreach = 100\n[outputs]\nnames = ["minus"]\n')
    result = read_anndata(folder / "regions.h5ad")
    assert result.n_obs == atlas.n_obs and "gene_id" not in result.obs
    loop = Loop(folder, atlas)
    w, card = loop.models["other"]
    for i in range(0, result.n_obs, 7):
        x, first, focus = loop.window("other", i)
        regions = [r for r in range(len(x)) if r != focus]
        gone = without(w, card["architecture"], x, focus, regions, "close")
        ours = result.obsm["knock_out"][i].toarray().ravel()
        near("knock_out", ours[[first + r for r in regions]], result.X[i, 1] - gone[:, 1])
        assert np.count_nonzero(result.obsm["powerlaw"][i].toarray()) == len(regions)


# ---- measured pairs


def write_pairs(folder, atlas, result):
    """Elements over regions, near and far, of genes known and not; a gzipped TSV with columns to pass over."""
    rng = np.random.default_rng(3)
    chrom, start, end = (atlas.obs[k].to_numpy() for k in ("chrom", "start", "end"))
    lines = []

    def add(chrom, start, end, gene, regulated, valid="TRUE"):
        lines.append(f"x\t{chrom}\t{start}\t{end}\tn\t-0.3\t{gene}\t{regulated}\t{valid}\tK562")

    genes = result.obs[["gene_id", "gene_name", "atlas_row"]].drop_duplicates("gene_id")
    for number, (_, gene) in enumerate(genes.iterrows()):
        for shift in rng.choice(np.arange(-6, 7), 5, replace=False):
            row = int(gene["atlas_row"]) + int(shift)
            if not 0 <= row < atlas.n_obs:
                continue
            first, last = int(start[row]) - 20, int(end[row]) + 20
            if number % 5 == 0 and row + 1 < atlas.n_obs and chrom[row + 1] == chrom[row]:
                last = int(start[row + 1]) + 10  # over two regions
            name = gene["gene_name"] if number % 2 else gene["gene_id"]
            regulated = rng.random() < 0.5 / (1 + abs(shift))
            add(chrom[row], max(first, 0), last, name, ("TRUE", "1")[number % 2] if regulated else "FALSE")
    add(chrom[3], start[3], end[3], "nobody", "TRUE")
    add("chrM", 0, 50, genes["gene_id"].iloc[0], "FALSE")
    for gene in genes["gene_id"].iloc[:3]:
        row = int(genes.set_index("gene_id").loc[gene, "atlas_row"])
        add(chrom[row], end[row] + 1, end[row] + 3, gene, "TRUE")  # between regions
        add(chrom[row], start[row], end[row], gene, "TRUE", "overlaps potential promoter")
    header = "dataset\tchrom\tchromStart\tchromEnd\tname\tEffectSize\tmeasuredGeneSymbol\tRegulated\tValidConnection\tCellType"
    text = "\n".join([header, *lines]) + "\n"
    with gzip.open(folder / "pairs.tsv.gz", "wt") as file:
        file.write(text)
    (folder / "pairs.tsv").write_text(text)
    return [line.split("\t") for line in lines]


def pair_scores(result, rows, regions, nearest):
    """Mean over rows that have one of the regions in reach of the largest score there, and how many have."""
    found = []
    for row in rows:
        entry = {name: result.obsm[name][row].toarray().ravel() for name in TABLES}
        real = np.flatnonzero(entry["powerlaw"] > 0)
        hit = [r for r in regions if r in real]
        if not hit:
            continue
        # Distances to the start of transcription, of two the first, as the order of entries has them.
        close = real[np.argsort(entry["distance_bp"][real], kind="stable")[:nearest]]
        columns = {}
        for name in TABLES[:-1]:
            total = np.abs(entry[name][close].astype(np.float64)).sum()
            columns[name] = entry[name][hit].astype(np.float64) / (total if total > 0 else 1)
            columns[name + "_abs"] = np.abs(columns[name])
        columns["proximity"] = -entry["distance_bp"][hit].astype(np.float64)
        found.append([columns[name].max() for name in SCORES])
    if not found:
        return None
    scores = np.mean(found, axis=0)
    scores[SCORES.index("proximity")] = max(one[SCORES.index("proximity")] for one in found)
    return scores


def pairs_are_judged_as_scikit_learn_does(folder):
    atlas, _ = prepare(folder)
    result = read_anndata(folder / "perturb.h5ad")
    pairs = write_pairs(folder, atlas, result)
    base = ["--set", f"scores.file={folder}/perturb.h5ad", "--set", f"scores.nearest={NEAREST}",
            "--set", "crispri.bins_bp=200,500", "--set", "units.pairs=50"]
    chrom, start, end = (atlas.obs[k].to_numpy() for k in ("chrom", "start", "end"))
    valid = [(line, pair) for line, pair in enumerate(pairs, 2) if pair[8] == "TRUE"]
    for value, file in (("mean", "pairs.tsv.gz"), ("highest_predicted", "pairs.tsv")):
        words = ["crispri", *base, "--set", f"crispri.file={folder}/{file}", "--set", f"genes.value={value}"]
        said = mpira(*words, "--output", folder / f"{value}.h5ad", code=0)
        mpira(*words, "--output", folder / "again.h5ad", "--fresh", "--overwrite", ranks=3, code=0)
        assert_equal_results(folder / f"{value}.h5ad", folder / "again.h5ad")
        judged = read_anndata(folder / f"{value}.h5ad")
        assert list(judged.var_names) == SCORES and judged.n_obs == 2 * len(valid)
        assert judged.uns["not_valid"] == len(pairs) - len(valid) == 3
        seen = set()
        for i, (name, obs) in enumerate(judged.obs.iterrows()):
            line, pair = valid[i % len(valid)]
            assert (obs["line"], obs["gene"], obs["regulated"]) == (line, pair[6], int(pair[7] != "FALSE"))
            first, last = int(pair[2]), int(pair[3])
            table = result.obs
            rows = np.flatnonzero((table["cell_type"] == obs["cell_type"]) & (table["chrom"] == pair[1])
                                  & ((table["gene_id"] == pair[6]) | (table["gene_name"] == pair[6])))
            if value == "highest_predicted" and len(rows):
                rows = rows[[np.argmax(table["predicted"].to_numpy()[rows])]]
            regions = np.flatnonzero((chrom == pair[1]) & (start < last) & (end > first))
            scores = pair_scores(result, rows, regions, NEAREST)
            own = set(table["atlas_row"].iloc[rows]) & set(regions)
            status = ("no_gene" if not len(rows) else "no_region" if not len(regions) else
                      "covered" if scores is not None else "own_region" if own else "out_of_reach")
            assert obs["status"] == status, name
            seen.add(status)
            if len(rows):
                distance = np.abs(table["position"].to_numpy()[rows] - (first + last) // 2).min()
                assert obs["distance_bp"] == distance, name
                assert obs["bin"] == ("0-200" if distance < 200 else "200-500" if distance < 500 else "500-"), name
            else:
                assert obs["bin"] == "none"
            if status == "covered":
                np.testing.assert_allclose(judged.X[i], scores, rtol=1e-12, atol=1e-15)
            else:
                assert np.isnan(judged.X[i]).all()
        assert seen == {"covered", "no_gene", "no_region", "own_region", "out_of_reach"}

        axes = judged.uns["axes"]
        assert list(axes["sets"]) == ["covered", "all"] and list(axes["bins"]) == ["all", "0-200", "200-500", "500-"]
        ties = 0
        for s, chosen in enumerate(("covered", "all")):
            for c, cell in enumerate(axes["cell_types"]):
                for b, bin in enumerate(axes["bins"]):
                    mask = (judged.obs["cell_type"] == cell).to_numpy()
                    if chosen == "covered":
                        mask &= (judged.obs["status"] == "covered").to_numpy()
                    if bin != "all":
                        mask &= (judged.obs["bin"] == bin).to_numpy()
                    labels = judged.obs["regulated"].to_numpy()[mask]
                    assert judged.uns["pairs"][s, c, b] == mask.sum() > 10, (chosen, cell, bin, judged.uns["pairs"])
                    assert judged.uns["prevalence"][s, c, b] == labels.mean() > 0
                    for k in range(len(SCORES)):
                        x = judged.X[mask, k]
                        ties += len(x) - len(np.unique(x))
                        behind = np.full(len(x), -1e9)
                        if SCORES[k] == "proximity":
                            known = judged.obs["distance_bp"].to_numpy()[mask]
                            behind = np.where(known >= 0, -known, behind)
                        theirs = average_precision_score(labels, np.where(np.isnan(x), behind, x))
                        assert abs(judged.uns["auprc"][s, c, b, k] - theirs) < 1e-12, (chosen, cell, bin, SCORES[k])
        assert ties > 100
        assert "AUPRC knock_out " in said.text
    print(f"{judged.n_obs} pairs, {ties} ties")

    # Genes read on both strands: the other one's rows change nothing.
    run(folder, "perturb", "both.h5ad", extra=PERTURB + '[outputs]\nstrands = "both"\n')
    both = read_anndata(folder / "both.h5ad")
    assert both.n_obs == 2 * result.n_obs and both.obs["own_output"].sum() == result.n_obs
    mpira(*words, "--set", f"scores.file={folder}/both.h5ad", "--output", folder / "own.h5ad", code=0)
    own = read_anndata(folder / "own.h5ad")
    assert own.obs["status"].tolist() == judged.obs["status"].tolist()
    np.testing.assert_allclose(own.X, judged.X, rtol=1e-4, atol=1e-6)

    # Nothing regulated: there is no area.
    text = (folder / "pairs.tsv").read_text().replace("\tTRUE\tTRUE\t", "\tFALSE\tTRUE\t").replace("\t1\tTRUE\t", "\t0\tTRUE\t")
    (folder / "pairs.tsv").write_text(text)
    mpira("crispri", "--set", f"scores.file={folder}/perturb.h5ad", "--set", f"crispri.file={folder}/pairs.tsv",
          "--output", folder / "none.h5ad", code=0)
    judged = read_anndata(folder / "none.h5ad")
    assert np.isnan(judged.uns["auprc"]).all() and not np.nan_to_num(judged.uns["prevalence"]).any()


# ---- predict


def embeddings_of_a_layer(folder):
    atlas, starts = prepare(folder)
    loop, expected = Loop(folder, atlas), expected_rows(atlas, starts)
    run(folder, "predict", "none.h5ad")
    plain = read_anndata(folder / "none.h5ad")
    assert "embedding" not in plain.obsm
    for layer, genes in (("region_embed", True), ("encoder.blocks.1", True), ("encoder.norm", False)):
        extra = f'[embeddings]\nlayer = "{layer}"\n'
        run(folder, "predict", "layer.h5ad", "--fresh", "--overwrite", ranks=0 if genes else 2, extra=extra,
            genes=genes)
        result = read_anndata(folder / "layer.h5ad")
        assert result.uns["embedding_layer"] == layer and result.obsm["embedding"].shape == (result.n_obs, 24)
        if genes:
            assert result.n_obs == 2 * len(expected) and np.array_equal(result.X, plain.X)
        for i in range(0, result.n_obs, 5):
            obs = result.obs.iloc[i]
            w, card = loop.models[obs["cell_type"]]
            x, _, focus = loop.window(obs["cell_type"], int(obs["atlas_row"]))
            theirs = get_reference.tokens(w, card["architecture"], torch.tensor(x)[None])[layer][0, focus]
            near(layer, result.obsm["embedding"][i], theirs.detach().numpy())


# ---- bytes


def same_bytes_on_any_rank_count_and_after_kills(folder):
    prepare(folder)
    commit = "[commit]\nunits = 1\nseconds = 0.01\n"
    jobs = {"perturb": PERTURB + '[outputs]\nstrands = "both"\n', "predict": '[embeddings]\nlayer = "encoder.norm"\n'}
    for job, extra in jobs.items():
        rows = 3 if job == "perturb" else 1
        words = [job, "--config", folder / f"{job}.toml", "--output"]
        (folder / f"{job}.toml").write_text(settings(folder, "unused.h5ad", extra + commit, genes=job == "perturb", rows=rows))
        one, killed = folder / f"{job}.1.h5ad", folder / f"{job}.killed.h5ad"
        mpira(*words, one, code=0)
        for ranks in (2, 3, 4) if job == "perturb" else (3,):
            mpira(*words, folder / f"{job}.{ranks}.h5ad", ranks=ranks, code=0)
            assert_equal_results(one, folder / f"{job}.{ranks}.h5ad")

        def done_rows_are_there(done, data):
            assert data.obs["done"].sum() > 0 and np.isfinite(data.X[data.obs["done"].to_numpy()]).all()

        counts = kill_and_resume([*words, killed], killed, chance=random.Random(4), kills=2, ranks=[1, 2, 3],
                                 check=done_rows_are_there)
        assert counts, "over before the first kill"
        mpira(*words, killed, ranks=4, code=0)
        assert_equal_results(one, killed)
        mpira("verify", killed, code=0)
        print(f"{job}: units done after each kill: {counts}")


# ---- wrong inputs


def wrong_inputs(folder):
    atlas, _ = prepare(folder)
    good = settings(folder, "never.h5ad", PERTURB)
    cases = [
        ("perturb", "mode", good.replace("[perturb]", '[perturb]\nmode = "mask"'), ["perturb.mode", "mask"]),
        ("perturb", "reach", good.replace(f"reach = {REACH}", "reach = 0"), ["perturb.reach", "out of range"]),
        ("perturb", "gamma", good.replace(f"gamma = {GAMMA}", "gamma = -1"), ["powerlaw.gamma", "out of range"]),
        ("perturb", "gene value", good.replace("[genes]", '[genes]\nvalue = "mean"'), ["genes.value"]),
        ("predict", "layer", settings(folder, "never.h5ad", '[embeddings]\nlayer = "encoder.block.1"\n'),
         ["embeddings.layer", "encoder.block.1", "did you mean 'encoder.blocks.1'", "encoder.norm"]),
        ("predict", "layer number", settings(folder, "never.h5ad", '[embeddings]\nlayer = "encoder.blocks.3"\n'),
         ["embeddings.layer", "encoder.blocks.3"]),
    ]
    for job, name, text, fragments in cases:
        (folder / "wrong.toml").write_text(text)
        refused(name, [job, "--config", folder / "wrong.toml"], fragments)

    run(folder, "perturb", "regions.h5ad", extra=PERTURB, genes=False)
    write_pairs(folder, atlas, read_anndata(folder / "perturb.h5ad"))
    whole = (folder / "pairs.tsv").read_text()
    header, first, rest = whole.split("\n", 2)

    def changed(column, value):
        fields = first.split("\t")
        fields[column] = value
        return f"{header}\n" + "\t".join(fields) + f"\n{rest}"

    tables = [
        ("no header", "", ["pairs.tsv", "header"]),
        ("no pair", header + "\n", ["pairs.tsv", "no pair"]),
        ("no valid pair", "\n".join([header, first.replace("\tTRUE\tK562", "\tFALSE\tK562")]) + "\n", ["pairs.tsv", "ValidConnection"]),
        ("column's name", whole.replace("measuredGeneSymbol", "measuredGeneSymbl", 1),
         ["pairs.tsv line 1", "measuredGeneSymbol", "did you mean 'measuredGeneSymbl'"]),
        ("fields", f"{header}\nchr1\t5\n", ["pairs.tsv line 2", "2 tab-separated fields", "10"]),
        ("start", changed(2, "ten"), ["pairs.tsv line 2", "chromStart", "ten"]),
        ("end", changed(3, "0"), ["pairs.tsv line 2", "ends at 0"]),
        ("gene", changed(6, ""), ["pairs.tsv line 2", "measuredGeneSymbol"]),
        ("regulated", changed(7, "maybe"), ["pairs.tsv line 2", "Regulated", "maybe"]),
        ("other chromosomes", whole.replace("\nx\tchr", "\nx\t"), ["pairs.tsv", "no pair is on a chromosome", "'1' here, 'chr1' there"]),
    ]
    words = ["crispri", "--set", f"scores.file={folder}/perturb.h5ad", "--set", f"crispri.file={folder}/pairs.tsv",
             "--output", folder / "never.h5ad"]
    for name, content, fragments in tables:
        (folder / "pairs.tsv").write_text(content)
        refused(name, words, fragments)
    (folder / "pairs.tsv").write_text(whole)
    more = [
        ("no pairs", ["crispri.file=gone.tsv"], ["gone.tsv"]),
        ("bins", ["crispri.bins_bp=500,400"], ["crispri.bins_bp", "400"]),
        ("columns", ["crispri.columns=chrom,start"], ["crispri.columns", "5 names"]),
        ("cell type's column", ["crispri.cell_type=Cell"], ["line 1", "Cell"]),
        ("cell type", ["crispri.cell_type=CellType"], ["crispri.cell_type", "K562", "toy_cell"]),
        ("no scores", ["scores.file=gone.h5ad"], ["gone.h5ad"]),
        ("scores of another job", [f"scores.file={folder}/atlas.h5ad"], ["atlas.h5ad", "mpira perturb"]),
        ("rows are regions", [f"scores.file={folder}/regions.h5ad"], ["regions.h5ad", "genes.file"]),
    ]
    for name, overrides, fragments in more:
        refused(name, [*words, *(word for one in overrides for word in ("--set", one))], fragments)
    assert not (folder / "never.h5ad").exists()
    print(f"{len(cases) + len(tables) + len(more)} kinds")


def refused(name, words, fragments):
    result = mpira(*words)
    assert result.returncode == 2, f"{name}: {result}"
    for fragment in fragments:
        assert fragment in result.stderr, f"{name}: {fragment!r} is not in {result}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cases([equals_a_plain_loop, rows_may_be_regions_and_reach_the_window, pairs_are_judged_as_scikit_learn_does,
               embeddings_of_a_layer,
               same_bytes_on_any_rank_count_and_after_kills, wrong_inputs])
