"""mpira evaluate against pandas, scipy and scikit-learn: the activities of an assay made here, joined with a screen of toy
elements, as a plain Python restatement computes them.

Tolerances: 1e-9 for activities and figures (the same sums in another order), 1e-6 for ridge (inputs are float32).
"""
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import mpira, read_anndata, run_cases
from toy import make_inputs, screen_toml, write_weights

STATES = [("chr1", 0, 3000, "1_Tss"), ("chr1", 3000, 5200, "2_Enh"), ("chr1", 5200, 9000, "3_Quies"), ("chr2", 0, 4000, "2_Enh"),
          ("chr2", 4000, 7000, "3_Quies")]
HELD_OUT = ("chr2", 0, 7000)


def screen(folder, rng):
    """120 elements of 60 bp, each on both strands, from chr1 and chr2; some are negative controls."""
    make_inputs(folder)
    lines = []
    for i in range(60):
        chrom, length = (("chr1", 9000), ("chr2", 7000))[i % 2]
        start = int(rng.integers(0, length - 60))
        group = "control" if i % 5 == 0 else ("distal", "proximal")[i % 3 == 0]
        for strand in "+-":
            lines.append((chrom, start, start + 60, f"e{i}_{'FR'[strand == '-']}", 0, strand, group))
    (folder / "elements.bed").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    atlas = read_anndata(folder / "atlas.h5ad")
    held_out = [list(HELD_OUT)]
    write_weights(folder / "expression.safetensors", atlas, "expression", 3, held_out)
    text = screen_toml(folder, folder / "screen.h5ad", "[sites]\ninsertions = 6\n[controls]\nshuffles = 2\nuninserted = true\n")
    text = text.replace(f'fasta = "{folder}/elements.fa"', f'bed = "{folder}/elements.bed"\ngenome = "{folder}/genome.fa"\ngroup_column = 7')
    (folder / "screen.toml").write_text(text)
    mpira("lentimpra", "--config", folder / "screen.toml", ranks=2, code=0)
    return read_anndata(folder / "screen.h5ad"), pd.DataFrame(lines, columns=["chrom", "start", "end", "name", "score", "strand", "group"])


def assay(folder, names, rng):
    """Counts of three replicates; some barcodes are too few, and two elements are missing."""
    rows = []
    level = dict(zip(names, rng.normal(0, 1, len(names))))
    for replicate, depth in (("r1", 40), ("r2", 70), ("r3", 25)):
        for name in names[:-2]:
            dna = rng.poisson(depth)
            rows.append((name, replicate, dna, rng.poisson(2 * depth * 2 ** level[name]), int(rng.integers(5, 60))))
    table = pd.DataFrame(rows, columns=["oligo", "replicate", "dna_count", "rna_count", "n_bc"])
    return table.sample(frac=1, random_state=1)


def activities(table, least):
    """(element, replicate) frame, as the header of measured_activity.hpp says."""
    parts = {}
    for replicate, part in table.groupby("replicate"):
        depth = min(part.dna_count.sum(), part.rna_count.sum())
        value = np.log2((part.rna_count * depth / part.rna_count.sum() + 1) / (part.dna_count * depth / part.dna_count.sum() + 1))
        parts[replicate] = pd.Series(value.where(part.n_bc >= least).to_numpy(), index=part.oligo)
    return pd.DataFrame(parts)


def state_of(chrom, start, end):
    bases = {}
    for c, a, b, state in STATES:
        if c == chrom:
            bases[state] = bases.get(state, 0) + max(0, min(end, b) - max(start, a))
    return max(sorted(bases), key=bases.get)


def expected(result, bed, table):
    """The sequences and their scores."""
    values = activities(table, 10).reindex(bed.name)
    frame = bed.set_index("name")
    frame["measured"] = values.mean(axis=1)
    for replicate in values:
        frame[f"measured {replicate}"] = values[replicate]
    statistics = result.to_df()
    for name, column in (("max", "max.element.mean"), ("max - uninserted", "max.element-uninserted.mean"), ("max of shuffled", "max.shuffled.mean")):
        frame[name] = statistics[column].astype(float)
    frame["GC content"] = result.obs["gc"].astype(float)
    features = pd.DataFrame(np.asarray(result.obsm["features"], dtype=np.float64), index=result.obs_names)
    frame = frame[frame.measured.notna()]
    features = features.loc[frame.index]
    key = frame.chrom + ":" + frame.start.astype(str)
    numbers = frame.select_dtypes("number").drop(columns=["score"]).groupby(key, sort=False).mean()
    first = frame.groupby(key, sort=False).first()
    numbers["group"], numbers["chrom"] = first.group, first.chrom
    numbers["state"] = [state_of(c, int(s), int(e)) for c, s, e in zip(first.chrom, first.start, first.end)]
    numbers["held_out"] = (first.chrom == "chr2") & (first.end <= HELD_OUT[2])
    x = features.groupby(key, sort=False).mean()
    tested = numbers.group != "control"
    numbers["ridge"] = np.nan
    for chrom in ("chr1", "chr2"):
        own = tested & (numbers.chrom == chrom)
        model = Ridge(alpha=1.0).fit(x[tested & ~own], numbers.measured[tested & ~own])
        numbers.loc[own, "ridge"] = model.predict(x[own])
    return numbers


def figures_equal_those_of_scipy_and_scikit_learn(folder):
    rng = np.random.default_rng(8)
    result, bed = screen(folder, rng)
    table = assay(folder, list(bed.name), rng)
    table.to_csv(folder / "counts.tsv.gz", sep="\t", index=False)
    (folder / "states.bed").write_text("".join("\t".join(map(str, line)) + "\n" for line in STATES))
    words = ["evaluate", folder / "screen.h5ad", "--measured", folder / "counts.tsv.gz", "--column", "element=oligo",
             "--controls", "control", "--states", folder / "states.bed", "--resamples", "200"]
    told = mpira(*words, "--output", folder / "evaluation", code=0)
    truth = expected(result, bed, table)

    sequences = pd.read_csv(folder / "evaluation/sequences.tsv", sep="\t", float_precision="round_trip")
    sequences.index = sequences.chrom + ":" + sequences.start.astype(str)
    assert set(sequences.index) == set(truth.index) and sequences.elements.str.contains(",").any()
    ours = sequences.loc[truth.index]
    for column in ("measured", "measured r1", "measured r2", "measured r3", "max", "max - uninserted", "max of shuffled", "GC content"):
        np.testing.assert_allclose(ours[column], truth[column], rtol=1e-9, atol=1e-9, err_msg=column)
    np.testing.assert_allclose(ours.ridge, truth.ridge, rtol=1e-6, atol=1e-6)
    assert (ours.state == truth.state).all() and (ours.group == truth.group).all()
    assert (ours.held_out == truth.held_out).all() and truth.held_out.any() and not truth.held_out.all()

    threshold = np.percentile(truth.measured[truth.group == "control"], 95)
    facts = json.loads((folder / "evaluation/evaluation.json").read_text())
    np.testing.assert_allclose(facts["active_above"], threshold, rtol=1e-9)
    tested = truth.group != "control"
    subsets = {"all": tested, "held out": tested & truth.held_out, "not held out": tested & ~truth.held_out}
    subsets |= {f"group {g}": truth.group == g for g in truth.group.unique()}
    subsets |= {f"state {s}": tested & (truth.state == s) for s in truth.state.unique()}
    figures = pd.read_csv(folder / "evaluation/figures.tsv", sep="\t", float_precision="round_trip")
    assert set(figures.subset) == {name for name, rows in subsets.items() if rows.sum() >= 3}
    for line in figures.itertuples():
        rows = truth[subsets[line.subset]]
        rows = rows[rows[line.score].notna()]
        assert line.sequences == len(rows), line
        np.testing.assert_allclose(line.pearson, pearsonr(rows[line.score], rows.measured)[0], atol=1e-6)
        # Ranks of ridge scores that float32 inputs bring together may differ.
        np.testing.assert_allclose(line.spearman, spearmanr(rows[line.score], rows.measured)[0], atol=1e-9)
        if line.subset == "group control":
            assert np.isnan(line.auprc) and np.isnan(line.positives)
            continue
        active = rows.measured > threshold
        np.testing.assert_allclose(line.positives, active.mean(), atol=1e-12)
        if active.any():
            np.testing.assert_allclose(line.auprc, average_precision_score(active, rows[line.score]), atol=1e-9)
        assert line.loci <= 2 and np.isnan(line.pearson_low), "1 Mb holds each toy chromosome whole: too few for an interval"
    replicates = {(r["one"], r["other"]): (r["pearson"], r["sequences"]) for r in facts["replicates"]}
    for (one, other), (r, count) in replicates.items():
        both = truth[tested][[f"measured {one}", f"measured {other}"]].dropna()
        assert count == len(both)
        np.testing.assert_allclose(r, pearsonr(*both.to_numpy().T)[0], atol=1e-9)
    mean = np.average([r for r, _ in replicates.values()], weights=[count for _, count in replicates.values()])
    np.testing.assert_allclose(facts["ceiling_pearson"], np.sqrt(3 * mean / (1 + 2 * mean)), atol=1e-9)
    assert facts["measured_not_in_screen"] == 0 and facts["in_screen_not_measured"] == (len(bed) - len(bed[bed.name.isin(
        activities(table, 10).dropna(how="all").index)]))
    assert "AUPRC" in told.text and "a perfect prediction would reach" in told.text, told.text

    # Intervals themselves: tests/report.
    mpira(*words, "--output", folder / "again", code=0)
    for name in ("sequences.tsv", "figures.tsv"):
        assert (folder / "again" / name).read_bytes() == (folder / "evaluation" / name).read_bytes()


def other_ways_to_say_it(folder):
    """By place, by ends of names, from activities, a file a replicate: the same sequences."""
    rng = np.random.default_rng(9)
    result, bed = screen(folder, rng)
    table = assay(folder, list(bed.name), rng)
    table.to_csv(folder / "counts.tsv", sep="\t", index=False)
    base = ["evaluate", folder / "screen.h5ad", "--resamples", "0", "--measured"]
    mpira(*base, folder / "counts.tsv", "--column", "element=oligo", "--output", folder / "one", code=0)
    one = pd.read_csv(folder / "one/sequences.tsv", sep="\t").set_index("elements")
    assert one.active.isna().all()
    figures = pd.read_csv(folder / "one/figures.tsv", sep="\t")
    assert figures.auprc.isna().all() and figures.pearson_low.isna().all() and figures.pearson.notna().all()

    mpira(*base, folder / "counts.tsv", "--column", "element=oligo", "--orientations", "_F,_R", "--output", folder / "ends", code=0)
    assert (folder / "ends/sequences.tsv").read_bytes() == (folder / "one/sequences.tsv").read_bytes()

    places = table.merge(bed, left_on="oligo", right_on="name")[["chrom", "start", "end", "strand", "replicate", "dna_count", "rna_count", "n_bc"]]
    places.to_csv(folder / "places.tsv", sep="\t", index=False)
    mpira(*base, folder / "places.tsv", "--output", folder / "places", code=0)
    assert (folder / "places/sequences.tsv").read_bytes() == (folder / "one/sequences.tsv").read_bytes()

    files = []
    for replicate, part in table.groupby("replicate", sort=False):
        files.append(folder / f"{replicate}.tsv")
        part.drop(columns="replicate").rename(columns={"oligo": "name"}).to_csv(files[-1], sep="\t", index=False)
    mpira(*base, *files, "--output", folder / "files", code=0)
    files = pd.read_csv(folder / "files/sequences.tsv", sep="\t").set_index("elements")
    np.testing.assert_allclose(files.measured, one.measured.loc[files.index], rtol=1e-12)

    given = activities(table, 10).rename_axis("element").reset_index().melt("element", var_name="replicate", value_name="activity")
    given.to_csv(folder / "given.tsv", sep="\t", index=False, na_rep="NA")
    mpira(*base, folder / "given.tsv", "--output", folder / "given", code=0)
    given = pd.read_csv(folder / "given/sequences.tsv", sep="\t").set_index("elements")
    np.testing.assert_allclose(given.measured, one.measured.loc[given.index], rtol=1e-12)

    # Wrong input: 2, what and where; nothing is written.
    def refused(text, *parts, file=folder / "wrong.tsv", more=()):
        (folder / "wrong.tsv").write_text(text)
        told = mpira(*base, file, *more, "--output", folder / "wrong", code=2)
        assert all(part in told.text for part in parts), told.text
        assert not (folder / "wrong").exists() and not list(folder.glob(".wrong*")), told.text

    good = "element\tdna\trna\n" + "".join(f"{name}\t9\t{i}\n" for i, name in enumerate(bed.name))
    refused("name2\tdna\trna\ne0_F\t1\t2\n", "wrong.tsv line 1", "--column element=NAME")
    refused("element\tdna\ne0_F\t1\n", "wrong.tsv line 1", "no columns dna and rna")
    refused("element\tdna\trna\ne0_F\t1\n", "wrong.tsv line 2", "2 fields, the header has 3")
    refused("element\tdna\trna\ne0_F\t1\t-2\n", "wrong.tsv line 2", "'-2' in column 'rna' is no count")
    refused("element\tdna\trna\ne0_F\t1\t2\ne0_F\t1\t2\n", "e0_F is there twice")
    refused("element\tdna\trna\nelement_0\t1\t2\n", "none of its", "e0_F", "element_0")
    told = mpira("evaluate", folder / "atlas.h5ad", "--measured", folder / "wrong.tsv", "--output", folder / "wrong", code=2)
    assert "a result of mpira features; evaluate takes" in told.text, told
    refused("element\tdna\trna\ne0_F\t0\t2\n", "replicate 1 has no reads of DNA")
    refused("", "is empty")
    refused(good, "--controls contrl", "did you mean 'control'", more=("--controls", "contrl"))
    refused(good, "--controls nope", "there are ", "control", more=("--controls", "nope"))
    refused(good, "--quantity maxi", "did you mean 'max'", more=("--quantity", "maxi"))
    refused(good, "'dns' is not what a column can be", "did you mean 'dna'", more=("--column", "dns=dna"))
    refused(good, "no column is named 'dn'", more=("--column", "dna=dn"))
    (folder / "overlap.bed").write_text("chr1\t0\t10\ta\nchr1\t5\t20\tb\n")
    refused(good, "overlap", "each base has one state", more=("--states", folder / "overlap.bed"))
    told = mpira("evaluate", folder / "atlas.h5ad", "--measured", folder / "counts.tsv", "--output", folder / "wrong", code=2)
    assert "mpira: " in told.text and not (folder / "wrong").exists(), told.text
    told = mpira(*base, folder / "given.tsv", "--output", folder / "given", code=2)
    assert "--overwrite" in told.text, told.text


def regions_beside_other_scores(folder):
    """Predictions of regions and what the atlas has there, of both strands, beside tracks of another model: as CAGE and
    Enformer are compared."""
    make_inputs(folder)
    rng = np.random.default_rng(12)
    names = read_anndata(folder / "atlas.h5ad").obs_names
    values = np.log10(rng.gamma(0.5, 40, (len(names), 2)) * (rng.random((len(names), 2)) < 0.7) + 1)
    (folder / "cage.tsv").write_text("region\tK562.plus\tK562.minus\n" + "".join(
        f"{name}\t{plus!r}\t{minus!r}\n" for name, (plus, minus) in zip(names, values.tolist())))
    mpira("features", "--config", folder / "features.toml", "--set", f"expression.table={folder}/cage.tsv",
          "--output", folder / "cage.h5ad", code=0)
    atlas = read_anndata(folder / "cage.h5ad")
    write_weights(folder / "cage.safetensors", atlas, "expression", 5, [["chr2", 0, 7000]],
                  card={"output_names": ["K562.plus", "K562.minus"]})
    predict = ["predict", "--set", f"atlas.file={folder}/cage.h5ad", "--set", f"model.weights={folder}/cage.safetensors",
               "--set", "cell_types=toy_cell"]
    mpira(*predict, "--output", folder / "predict.h5ad", code=0)
    predictions = read_anndata(folder / "predict.h5ad")
    obs = predictions.obs
    both = lambda matrix: np.log10(10 ** matrix[:, 0].astype(float) + 10 ** matrix[:, 1].astype(float) - 1)
    truth = pd.DataFrame({"chrom": obs["chrom"].astype(str), "start": obs["region_start"], "end": obs["region_end"],
                          "measured": both(predictions.layers["observed"]), "prediction": both(predictions.X)})
    tracks = rng.gamma(1, 3, (len(truth), 2)) + 10 ** truth.measured.to_numpy()[:, None]
    table = truth[["chrom", "start", "end"]].assign(**{"0": 1.0, "4828": tracks[:, 0], "5111": tracks[:, 1]}).iloc[:-2]
    table.sample(frac=1, random_state=2).to_csv(folder / "enformer.tsv", sep="\t", index=False)
    truth["4828+5111"] = np.log10(tracks.sum(axis=1) + 1)
    whole, truth = truth, truth.iloc[:-2]  # both scores on the same regions

    base = ["evaluate", folder / "predict.h5ad", "--resamples", "50"]
    scores = ["--scores", folder / "enformer.tsv", "--score-columns", "4828,5111"]
    told = mpira(*base, *scores, "--output", folder / "regions", code=0)
    assert "K562 of both strands" in told.text and "regions observed and predicted" in told.text, told.text
    assert "2 more are left out, which the other scores lack" in told.text, told.text
    mpira(*base, "--output", folder / "alone", code=0)
    assert len(pd.read_csv(folder / "alone/sequences.tsv", sep="\t")) == len(whole)
    mpira(*base, *scores, "--chromosomes", "chr2", "--output", folder / "chr2", code=0)
    for output, rows in (("regions", truth), ("chr2", truth[truth.chrom == "chr2"])):
        sequences = pd.read_csv(folder / output / "sequences.tsv", sep="\t", float_precision="round_trip")
        assert list(sequences.start) == list(rows.start) and (sequences.chrom == rows.chrom.to_numpy()).all()
        for column in ("measured", "prediction", "4828+5111"):
            np.testing.assert_allclose(sequences[column], rows[column], rtol=1e-9, atol=1e-9)
        figures = pd.read_csv(folder / output / "figures.tsv", sep="\t", float_precision="round_trip")
        subsets = {"all": rows.chrom != "", "held out": rows.chrom == "chr2", "not held out": rows.chrom != "chr2"}
        assert set(figures.subset) == {name for name, which in subsets.items() if which.sum() >= 3}
        for line in figures.itertuples():
            part = rows[subsets[line.subset]]
            part = part[part[line.score].notna()]
            assert line.sequences == len(part)
            np.testing.assert_allclose(line.pearson, pearsonr(part[line.score], part.measured)[0], atol=1e-9)
            np.testing.assert_allclose(line.spearman, spearmanr(part[line.score], part.measured)[0], atol=1e-9)
    assert json.loads((folder / "chr2/evaluation.json").read_text())["chromosomes"] == ["chr2"]

    def refused(message, *words):
        told = mpira(*words, "--output", folder / "wrong", code=2)
        assert message in told.text and not (folder / "wrong").exists(), (message, told.text)

    refused("--measured is of a screen", *base, "--measured", folder / "enformer.tsv")
    refused("did you mean 'chr2'", *base, "--chromosomes", "chr22")
    refused("did you mean 'toy_cell'", *base, "--cell-type", "toy_cel")
    refused("--score-columns", *base, "--scores", folder / "enformer.tsv")
    refused("is named twice", *base, "--scores", folder / "enformer.tsv", "--score-columns", "4828,4828")
    refused("is of the place", *base, "--scores", folder / "enformer.tsv", "--score-columns", "4828,start")
    refused("--min-barcodes is of a screen", *base, "--min-barcodes", "5")
    refused("did you mean '5111'", *base, "--scores", folder / "enformer.tsv", "--score-columns", "5112")
    (folder / "bad.tsv").write_text("chrom\tstart\tend\tx\nchr1\t1\t2\t-3\n")
    refused("bad.tsv, line 2: its scores sum to less than 0", *base, "--scores", folder / "bad.tsv", "--score-columns", "x")
    (folder / "bad.tsv").write_text("chrom\tstart\tend\tx\nchr1\t1\t2\t3\n")
    refused("none of its regions is predicted and observed", *base, "--scores", folder / "bad.tsv", "--score-columns", "x")
    rng = np.random.default_rng(8)
    screen(folder, rng)
    refused("--chromosomes is of predictions", "evaluate", folder / "screen.h5ad", "--measured", folder / "x", "--chromosomes", "chr1")
    refused("--measured names what the assay measured", "evaluate", folder / "screen.h5ad")


def held_out_is_what_the_elements_own_models_did_not_see(folder):
    """Two models that hold out a half of chr1 each, in pieces that adjoin; of predictions a model a cell type."""
    make_inputs(folder)
    atlas = read_anndata(folder / "atlas.h5ad")
    halves = {"a": [["chr1", 0, 2000], ["chr1", 2000, 4500]], "b": [["chr1", 4500, 9000]]}
    for seed, (name, held_out) in enumerate(halves.items()):
        write_weights(folder / f"{name}.safetensors", atlas, "expression", seed, held_out)
    write_weights(folder / "open.safetensors", atlas, "accessibility", 3, [["chr1", 0, 1000]])
    (folder / "models.tsv").write_text("a\ta.safetensors\nb\tb.safetensors\n")
    starts = np.random.default_rng(1).integers(0, 8900, 40)
    (folder / "measured.tsv").write_text("element\tactivity\n" + "".join(f"e{i}\t{i % 7}\n" for i in range(40)))
    text = screen_toml(folder, folder / "screen.h5ad", "[sites]\ninsertions = 2\n[controls]\nshuffles = 0\n")
    (folder / "screen.toml").write_text(text.replace(
        f'fasta = "{folder}/elements.fa"', f'bed = "{folder}/elements.bed"\ngenome = "{folder}/genome.fa"\ngroup_column = 7').replace(
        f'weights = "{folder}/expression.safetensors"', f'weights_by_group = "{folder}/models.tsv"'))

    def held_out(result, *words):
        output = folder / f"evaluation{len(list(folder.iterdir()))}"
        mpira("evaluate", folder / result, *words, "--resamples", "0", "--output", output, code=0)
        return pd.read_csv(output / "sequences.tsv", sep="\t").held_out.astype(bool).to_numpy()

    for swapped in (False, True):
        groups = ["ab"[int((start >= 4470) != swapped)] for start in starts]
        (folder / "elements.bed").write_text("".join(f"chr1\t{start}\t{start + 60}\te{i}\t0\t+\t{group}\n"
                                                     for i, (start, group) in enumerate(zip(starts, groups))))
        for more in ([], ["--set", f"accessibility.weights={folder}/open.safetensors"]):
            told = mpira("lentimpra", "--config", folder / "screen.toml", *more, "--fresh", "--overwrite", code=0)
            unseen = np.array([(start + 60 <= 4500 if group == "a" else start >= 4500) and (not more or start + 60 <= 1000)
                               for start, group in zip(starts, groups)])
            result = read_anndata(folder / "screen.h5ad")
            assert (result.obs["unseen"] == unseen).all() and unseen.any() != swapped, result.obs
            assert f"{(~unseen).sum()} of 40 elements" in told.text and "unseen" in result.uns["notes"]
            assert (held_out("screen.h5ad", "--measured", folder / "measured.tsv") == unseen).all()

    (folder / "cells.tsv").write_text("one\ta.safetensors\nother\tb.safetensors\n")
    lines = (folder / "regions.bed").read_text().splitlines()
    (folder / "table.tsv").write_text("chrom\tstart\tend\tx.plus\tx.minus\n" + "".join(
        f"{line}\t{i % 5}\t{i % 3}\n" for i, line in enumerate(lines)))
    mpira("features", "--config", folder / "features.toml", "--set", f"expression.table={folder}/table.tsv",
          "--output", folder / "expressed.h5ad", code=0)
    mpira("predict", "--set", f"atlas.file={folder}/expressed.h5ad", "--set", f"model.weights_by_cell_type={folder}/cells.tsv",
          "--set", "expression.observed=x.{output}", "--output", folder / "predict.h5ad", code=0)
    obs = read_anndata(folder / "predict.h5ad").obs
    obs = obs[obs.cell_type == "one"]
    for cell_type, first, last in (("one", 0, 4500), ("other", 4500, 9000)):
        inside = (obs.chrom == "chr1") & (obs.region_start >= first) & (obs.region_end <= last)
        assert (held_out("predict.h5ad", "--cell-type", cell_type) == inside).all() and inside.any()


if __name__ == "__main__":
    run_cases([figures_equal_those_of_scipy_and_scikit_learn, other_ways_to_say_it, regions_beside_other_scores,
               held_out_is_what_the_elements_own_models_did_not_see])
