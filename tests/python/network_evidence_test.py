"""What mpira network finds beside networks, each against an independent reference: top genes (numpy), enrichment
(scipy's hypergeom.sf to 1e-10 relative, Benjamini-Hochberg in numpy), expression of factors and their targets (scipy),
co-localisation of peaks (all pairs), agreement with known interactions (scikit-learn). The same bytes on 1 and 3 ranks;
wrong inputs by name.
"""
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import hypergeom, pearsonr, spearmanr
from sklearn.metrics import f1_score, precision_score, recall_score

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import assert_equal_results, mpira, read_anndata, run_cases
from network_test import top_places

MOTIFS, SHARE, ABOVE, BELOW, RECALL, TOGETHER = 9, 0.1, 20, 400, 0.3, 2700
P_VALUE, CORRELATION = 1e-10, 1e-12
TYPES = {"A": 1200, "B": 700, "C": 90, "D": 60}  # genes
RNG = np.random.default_rng(3)


def make_genes(folder):
    """A matrix of four cell types: a gene of A has two rows, m0 prefers set0, m8 is the same in all genes of C."""
    import anndata

    frames = []
    for cell_type, count in TYPES.items():
        names = [f"g{i}" for i in sorted(RNG.choice(1300, count, replace=False))]
        if cell_type == "A":
            names.insert(5, names[900])
        values = RNG.normal(size=(len(names), MOTIFS)).astype(np.float32)
        number = np.array([int(name[1:]) for name in names])
        values[:, 0] += 6 * (number < 100)
        values[:, 1] += values[:, 0]
        values[:, 2] += RNG.laplace(size=len(names)) + 0.3 * values[:, 1]
        values[:, 3] = np.round(values[:, 3])  # ties
        if cell_type == "C":
            values[:, 8] = 0
        frames.append(pd.DataFrame(values, columns=[f"m{j}" for j in range(MOTIFS)]).assign(
            gene=names, cell_type=cell_type))
    table = pd.concat(frames, ignore_index=True)
    x = np.concatenate([table.filter(like="m").to_numpy(np.float32), np.ones((len(table), 1), np.float32)], axis=1)
    obs = pd.DataFrame({"cell_type": pd.Categorical(table.cell_type), "gene_name": table.gene.to_numpy(),
                        "gene_id": ("id" + table.gene).to_numpy()}, index=[f"r{i}" for i in range(len(table))])
    data = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[*[f"m{j}" for j in range(MOTIFS)], "accessibility"]))
    data.uns["gene_by_motif"] = x
    data.uns["gene_first_row"] = np.arange(len(table))
    data.write_h5ad(folder / "matrix.h5ad")

    sets = {"set0": range(100), "small": range(20), "large": range(400), "smallest": range(21),
            "elsewhere": range(2000, 2100)}
    for k in range(30):
        sets[f"random{k}"] = RNG.choice(1500, int(RNG.integers(21, 399)), replace=False)
    (folder / "sets.gmt").write_text("".join(
        f"{name}\tabout\t" + "\t".join(f"g{i}" for i in members) + "\n" for name, members in sets.items()))
    return table, {name: {f"g{i}" for i in members} for name, members in sets.items()}


def make_evidence(folder, table):
    """Factors of motifs, expression, STRING links, pairs and peaks."""
    factors = [("m0", "g7"), ("m0", "TF0"), ("m1", "TF1"), ("m2", "TF2"), ("m3", "TF3"), ("m4", "TF4"), ("m5", "TF5"),
               ("m5", "TF1"), ("m6", "TF6")]
    (folder / "factors.tsv").write_text("# motif\tfactor\n" + "".join(f"{m}\t{f}\n" for m, f in factors))
    expression = {name: RNG.gamma(2, size=len(TYPES)) for name in
                  [*sorted(set(table.gene))[::2], "g7", "TF0", "TF1", "TF2", "TF4"]}
    columns = ["D", "B", "A", "C"]  # in another order than in the matrix
    (folder / "expression.tsv").write_text("gene\t" + "\t".join(columns) + "\tother\n" + "".join(
        name + "\t" + "\t".join(repr(float(values["ABCD".index(c)])) for c in columns) + "\tNA\n"
        for name, values in expression.items()))
    proteins = [f"TF{k}" for k in range(7)] + ["g7", "stranger"]
    (folder / "info.txt").write_text("#string_protein_id\tpreferred_name\tsize\n" + "".join(
        f"9.P{k}\t{name}\t1\n" for k, name in enumerate(proteins)))
    links = []
    for one in range(len(proteins)):
        for other in range(one):
            if one != 6 and other != 6:  # TF6 is not tested
                links.append((one, other, int(RNG.integers(150, 1000))))
    (folder / "links.txt").write_text("protein1 protein2 combined_score\n" + "".join(
        f"9.P{a} 9.P{b} {s}\n9.P{b} 9.P{a} {s}\n" for a, b, s in links))
    known = [("TF0", "TF1"), ("TF2", "TF3"), ("TF6", "TF0"), ("TF4", "stranger")]
    (folder / "mass-spec.tsv").write_text("".join(f"{a}\t{b}\t0.9\n" for a, b in known))
    truths = {"string": ({proteins[k] for link in links for k in link[:2]},
                         {(proteins[a], proteins[b]) for a, b, s in links if s > 400}),
              "mass_spec": ({name for pair in known for name in pair}, set(known))}

    (folder / "chrom.sizes").write_text("chr1\t100000\nchr2\t50000\n")
    peaks = {}
    for factor in ("TF0", "TF1", "TF2", "TF5", "odd"):
        rows = {(f"chr{RNG.integers(1, 3)}", int(RNG.integers(49000))) for _ in range(400)}
        rows = [(c, s, s + int(RNG.integers(20, 400)), float(RNG.integers(50))) for c, s in sorted(rows)]
        peaks[factor] = rows
        (folder / f"{factor}.bed").write_text("".join(f"{c}\t{s}\t{e}\tp\t{v}\n" for c, s, e, v in rows))
    (folder / "peaks.tsv").write_text("".join(f"{factor}\t{factor}.bed\n" for factor in peaks))
    return factors, expression, truths, peaks


def settings(folder, *more):
    values = {"matrix.files": "matrix.h5ad", "top_genes.share": SHARE, "enrichment.gene_sets": "sets.gmt",
              "enrichment.size_above": ABOVE, "enrichment.size_below": BELOW, "annotation.factors": "factors.tsv",
              "target_expression.table": "expression.tsv", "agreement.string": "links.txt",
              "agreement.string_names": "info.txt", "agreement.pairs": "mass-spec.tsv", "agreement.recall": RECALL,
              "colocalisation.peaks": "peaks.tsv", "colocalisation.chrom_sizes": "chrom.sizes",
              "colocalisation.true_from": TOGETHER, "lingam.bootstraps": 2}
    values |= dict(word.split("=", 1) for word in more)
    files = {"sets.gmt", "factors.tsv", "expression.tsv", "links.txt", "info.txt", "mass-spec.tsv", "peaks.tsv",
             "chrom.sizes", "matrix.h5ad"}
    located = {k: folder / v if v in files or str(v).startswith("wrong") else v for k, v in values.items()}
    return [word for key, value in located.items() for word in ("--set", f"{key}={value}")]


def run(folder, output, *more, ranks=0, code=0):
    return mpira("network", *settings(folder, *more), "--output", folder / output, ranks=ranks, code=code)


# ---- references


def benjamini_hochberg(p):
    """Of 1-D p without NaN; after the definition: the least over all larger p of p * tests / rank."""
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = [min(1, scaled[i:].min()) for i in range(len(p))]
    return adjusted


def tops_of(values):
    """{motif: names}; values: (genes, motifs) by gene name, each gene once."""
    count = max(1, min(1000, int(np.floor(SHARE * len(values) + 1e-9))))
    return {m: [] if values[m].nunique() == 1 else
            list(values.index[top_places(values[m].to_numpy(), count)]) for m in values}


def of_type(table, cell_type):
    return table[table.cell_type == cell_type].drop(columns="cell_type").groupby("gene", sort=False).max()


def check_enrichment(result, table, sets):
    genes = np.asarray(result.uns["genes"])
    chosen = {name: members for name, members in sets.items() if ABOVE < len(members) < BELOW}
    assert list(result.uns["enrichment"]["gene_sets"]) == list(chosen) and "large" not in chosen
    assert result.uns["enrichment"]["sizes"].tolist() == [len(members) for members in chosen.values()]
    anywhere = set.union(*sets.values())
    all_p, worst, least = [], 0.0, 1.0
    for row, cell_type in enumerate(TYPES):
        values = of_type(table, cell_type)
        background = set(values.index) & anywhere
        tops = tops_of(values)
        obs = result.obs.iloc[row]
        assert (obs["tested_genes"], obs["background_genes"]) == (len(values), len(background))
        expected = np.full((MOTIFS, len(chosen)), np.nan)
        for j, motif in enumerate(values):
            ours = result.obsm["top_genes"][row, j]
            assert list(genes[ours[ours >= 0]]) == tops[motif], (cell_type, motif)
            if not tops[motif]:
                continue
            drawn = set(tops[motif]) & background
            assert result.obsm["enrichment_drawn"][row, j] == len(drawn)
            for k, members in enumerate(chosen.values()):
                overlap = len(drawn & members)
                assert result.obsm["enrichment_overlap"][row, j, k] == overlap
                assert result.obsm["enrichment_set_size"][row, k] == len(members & background)
                expected[j, k] = hypergeom.sf(overlap - 1, len(background), len(members & background), len(drawn))
        p = result.obsm["enrichment_p"][row]
        assert (np.isnan(p) == np.isnan(expected)).all()
        tested = ~np.isnan(expected)
        worst = max(worst, np.abs(p[tested] / expected[tested] - 1).max())
        least = min(least, p[tested].min())
        for j in np.flatnonzero(tested[:, 0]):
            assert np.allclose(result.obsm["enrichment_adjusted_by_motif"][row, j], benjamini_hochberg(expected[j]),
                               rtol=1e-9, atol=0)
        all_p.append(p)
    assert worst <= P_VALUE, f"p-values {worst} apart"
    assert least < 1e-40 and np.isnan(all_p[2][8]).all(), "the test data are too tame"
    all_p = np.stack(all_p)
    adjusted, tested = result.uns["enrichment"]["adjusted"], ~np.isnan(all_p)
    assert np.allclose(adjusted[tested], benjamini_hochberg(all_p[tested]), rtol=1e-12, atol=0)
    assert np.isnan(adjusted[~tested]).all()
    # Rows that are not of a cell type have no genes.
    assert (result.obsm["top_genes"][len(TYPES):] == -1).all()
    assert np.isnan(result.obsm["enrichment_p"][len(TYPES):]).all()
    # As a user reads it.
    frame = pd.DataFrame(result.uns["enrichment"]["adjusted"][0], result.var_names,
                         result.uns["enrichment"]["gene_sets"])
    assert frame.loc["m0"].idxmin() == "set0"
    print(f"{tested.sum()} tests, p-values at most {worst:.1e} apart (relative), least {least:.1e}")


def check_targets(result, table, factors, expression):
    found = result.uns["target_expression"]
    pairs = [(m, f) for m, f in factors if f in expression]
    assert list(zip(found["motif"], found["factor"])) == pairs
    assert set(found["without_expression"]) == {"TF3", "TF5", "TF6"}
    per_type = [of_type(table, cell_type) for cell_type in TYPES]
    order = list(dict.fromkeys(table.gene))
    tops = tops_of(pd.concat(per_type).astype(np.float64).groupby(level=0).mean().loc[order])
    genes = np.asarray(result.uns["genes"])
    assert list(genes) == order
    for k, (motif, factor) in enumerate(pairs):
        ours = found["top_genes"][int(motif[1:])]
        assert list(genes[ours[ours >= 0]]) == tops[motif]
        targets = [g for g in tops[motif] if g in expression and g != factor]
        mean = np.mean([expression[g] for g in targets], axis=0)
        assert found["targets"][k] == len(targets)
        assert np.allclose(found["of_targets"][k], mean) and np.array_equal(found["of_factor"][k], expression[factor])
        assert abs(found["pearson"][k] - pearsonr(expression[factor], mean).statistic) <= CORRELATION
        assert abs(found["spearman"][k] - spearmanr(expression[factor], mean).statistic) <= CORRELATION
    assert "g7" in tops["m0"] and "g7" in expression, "no factor among its own targets"


def check_colocalisation(result, peaks):
    found, names = result.uns["colocalisation"], list(peaks)
    assert list(found["factors"]) == names and found["peaks"].tolist() == [len(rows) for rows in peaks.values()]
    tiers = {}
    for name, rows in peaks.items():
        scores = np.array([score for *_, score in rows])
        # Of a run of equal scores the middle place.
        place = [(scores > score).sum() + ((scores == score).sum() - 1) // 2 for score in scores]
        tiers[name] = 3 * np.array(place) // len(rows)
    score = np.zeros((len(names),) * 2)
    for a, one in enumerate(names):
        for b, other in enumerate(names):
            counts = np.zeros((3, 3), int)
            for i, (c, s, e, _) in enumerate(peaks[one]):
                for j, (d, t, f, _) in enumerate(peaks[other]):
                    counts[tiers[one][i], tiers[other][j]] += a != b and c == d and s < f and t < e
            assert np.array_equal(found["overlaps"][a, b], counts), (one, other)
            score[a, b] = (counts * np.outer([3, 2, 1], [3, 2, 1])).sum()
    assert np.array_equal(found["score"], score)
    print("co-localisation scores", np.unique(score))
    return {(names[a], names[b]) for a, b in zip(*np.nonzero(score >= TOGETHER))}


FIGURES = ["called", "precision", "recall", "f1", "macro_f1", "motif_f1"]


def figures_of(weight, candidates, truth):
    strength = np.array([np.nanmax([weight[i, j], weight[j, i], 0]) for i, j in candidates])
    called = np.zeros(len(truth), bool)
    for threshold in np.unique(strength[strength > 0])[::-1]:
        if called[truth].mean() >= RECALL:
            break
        called = strength >= threshold
    of_motif = []
    for motif in {m for pair in candidates for m in pair}:
        here = np.array([motif in pair for pair in candidates])
        if truth[here].any():
            of_motif.append(f1_score(truth[here], called[here]))
    return [called.sum(), precision_score(truth, called, zero_division=np.nan), recall_score(truth, called),
            f1_score(truth, called), f1_score(truth, called, average="macro"), np.mean(of_motif)]


def check_agreement(result, table, factors, truths):
    motifs_of = {}
    for motif, factor in factors:
        motifs_of.setdefault(factor, []).append(int(motif[1:]))
    sd = table.filter(like="m").to_numpy(np.float64).std(0)
    for name, (seen, pairs) in truths.items():
        tested = sorted({m for factor in seen for m in motifs_of.get(factor, [])})
        true = {(min(a, b), max(a, b)) for one, other in pairs for a in motifs_of.get(one, [])
                for b in motifs_of.get(other, []) if a != b}
        candidates = [(i, j) for i in tested for j in tested if i < j]
        truth = np.array([pair in true for pair in candidates])
        about = result.uns["agreement"][name]
        assert (about["motifs"], about["pairs"], about["true_pairs"]) == (len(tested), len(candidates), truth.sum())
        assert 0 < truth.sum() < len(truth), "the test data are too tame"
        for row, obs in result.obs.reset_index(drop=True).iterrows():
            weight = np.abs(result.obsm["network"][row])
            if obs["kind"] == "lingam":
                weight = weight * sd[None, :] / sd[:, None]
            elif obs["kind"] != "spearman":
                continue  # by the spread of a bootstrap's own rows
            ours = [obs[f"{name}_{figure}"] for figure in FIGURES]
            assert np.allclose(ours, figures_of(weight, candidates, truth), equal_nan=True), (name, row)
        frequency = np.asarray(result.varp["lingam_frequency"])
        expected = figures_of(frequency + frequency.T, candidates, truth)
        assert np.allclose(about["by_frequency"], expected, equal_nan=True), name


# ---- cases


def equals_references(folder):
    table, sets = make_genes(folder)
    factors, expression, truths, peaks = make_evidence(folder, table)
    run(folder, "network.h5ad", ranks=3)
    said = run(folder, "one.h5ad")
    assert_equal_results(folder / "network.h5ad", folder / "one.h5ad")
    for line in ("top genes of a motif: 6 to 120; tested for enrichment in 33 of 35 gene sets", "peaks of 5 factors: ",
                 "string: ", "mass_spec: ", "3 factors are not in the table: TF3, ..."):
        assert line in said.text, f"{line!r} is not in {said}"
    result = read_anndata(folder / "network.h5ad")
    assert list(result.obs_names) == [*[f"spearman|{t}" for t in TYPES], "spearman|pooled", "lingam|pooled",
                                      "lingam_bootstrap|pooled|0", "lingam_bootstrap|pooled|1"]
    check_enrichment(result, table, sets)
    check_targets(result, table, factors, expression)
    truths["colocalisation"] = (set(peaks), check_colocalisation(result, peaks))
    check_agreement(result, table, factors, truths)


def other_settings(folder):
    table, sets = make_genes(folder)
    only = ["annotation.factors=", "target_expression.table=", "agreement.string=", "agreement.pairs=",
            "colocalisation.peaks=", "lingam.pooled=false"]
    # Ids instead of names, absolute values, an exact number of them.
    (folder / "sets.gmt").write_text("ids\t\t" + "\t".join(f"idg{i}" for i in range(100)) + "\n")
    run(folder, "ids.h5ad", *only, "genes.names=gene_id", "top_genes.by=absolute", "top_genes.paper=true",
        "top_genes.most=50")
    result = read_anndata(folder / "ids.h5ad")
    assert result.obsm["top_genes"].shape == (len(TYPES) + 1, MOTIFS, 50)
    values = of_type(table.assign(**{f"m{j}": table[f"m{j}"].abs() for j in range(MOTIFS)}), "B")
    names = np.asarray(result.uns["genes"])[result.obsm["top_genes"][1, 4]]
    assert list(names) == ["id" + g for g in values.index[np.argsort(-values["m4"].to_numpy(), kind="stable")[:50]]]
    assert result.obs["background_genes"].iloc[0] == sum(int(g[1:]) < 100 for g in of_type(table, "A").index)
    # Top genes alone.
    run(folder, "top.h5ad", *only, "enrichment.gene_sets=", "top_genes.keep=true")
    result = read_anndata(folder / "top.h5ad")
    assert "top_genes" in result.obsm and "enrichment_p" not in result.obsm and "enrichment" not in result.uns
    # Another file under the same name is another campaign.
    run(folder, "again.h5ad", *only, "genes.names=gene_id")
    (folder / "sets.gmt").write_text("ids\t\t" + "\t".join(f"idg{i}" for i in range(99)) + "\n")
    refused = run(folder, "again.h5ad", *only, "genes.names=gene_id", code=2)
    assert "enrichment.content" in refused.stderr, refused


def wrong_inputs(folder):
    table, _ = make_genes(folder)
    make_evidence(folder, table)
    write = lambda name, text: (folder / name).write_text(text)
    write("wrong.gmt", "one\td\tX1\tX2\tX3\n")
    write("wrong.tsv", "m0\tTF0\nm77\tTF1\n")
    write("wrong_table.tsv", "gene\tA\tB\tC\n")
    write("wrong_links.txt", "protein1 protein2 combined_score\n9.P0 9.P1 100\n")
    write("wrong_pairs.tsv", "a\tb\n")
    write("wrong_peaks.tsv", "TF0\tTF0.bed\nTF1\twrong.bed\n")
    write("wrong.bed", "chr1\t5\t9\nchr1\t15\t19\nchr1\t25\t29\n")
    cases = [(["enrichment.gene_sets=wrong_none.gmt"], ["wrong_none.gmt"]),
             (["enrichment.gene_sets=wrong.tsv"], ["wrong.tsv", "line 1", "tabs"]),
             (["enrichment.size_above=500"], ["sets.gmt", "none of its 35 gene sets", "enrichment.size_above"]),
             (["enrichment.gene_sets=wrong.gmt", "enrichment.size_above=2"],
              ["wrong.gmt", "'X1'", "genes.names"]),
             (["spearman.by_cell_type=false"], ["spearman.by_cell_type", "rows of cell types"]),
             (["top_genes.paper=true"], ["top_genes.paper", "exactly 1000", "B has 700"]),
             (["genes.names=name"], ["genes.names", "gene_name"]),
             (["annotation.factors=wrong.tsv"], ["wrong.tsv", "line 2", "'m77'"]),
             (["target_expression.table=wrong_table.tsv"], ["wrong_table.tsv", "line 1", "'D'"]),
             (["annotation.factors=", "agreement.string=", "agreement.pairs=", "colocalisation.peaks="],
              ["expression.tsv", "'m0'", "annotation.factors"]),
             (["annotation.factors="], ["links.txt", "0 of 9 motifs", "annotation.factors"]),
             (["agreement.string=wrong_links.txt"], ["wrong_links.txt", "no pair"]),
             (["agreement.pairs=wrong_pairs.tsv"], ["wrong_pairs.tsv", "no pair", "annotation.factors"]),
             (["agreement.recall=0"], ["agreement.recall"]),
             (["colocalisation.peaks=wrong_peaks.tsv"], ["wrong.bed", "no scores"]),
             (["colocalisation.chrom_sizes="], ["colocalisation.chrom_sizes", "chrom.sizes"]),
             (["colocalisation.true_from=1e9"], ["colocalisation.true_from", "the largest score"])]
    for overrides, fragments in cases:
        result = run(folder, "never.h5ad", *overrides, code=2)
        for fragment in fragments:
            assert fragment in result.stderr, f"{overrides}: {fragment!r} is not in {result}"
    assert not (folder / "never.h5ad").exists()
    print(f"{len(cases)} kinds")


if __name__ == "__main__":
    run_cases([equals_references, other_settings, wrong_inputs])
