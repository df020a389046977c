"""mpira report: figures on the page and in its tables equal those computed with anndata, pandas and scikit-learn from the
same files; the page is strict HTML below 8 MB that fetches nothing; hostile names do no harm; an unfinished campaign is
told as such; wrong requests end with exit code 2. Then headless Chromium opens it, light and dark, wide and narrow, and
says nothing on its console.
"""
import functools
import html
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parent))
import evaluate_test
import folds_test
import jacobian_test
import network_test
import perturb_test
from mpira_test import journal, mpira, read_anndata, run_cases
from report_page import Page, open_in, read_page
from toy import make_inputs, screen_toml, write_weights

HOSTILE = "</script><script>alert(1)</script><img/src=x/onerror=alert(2)>&\"'"


def report(output, *words, code=0):
    return mpira("report", *words, "--output", output, code=code)


def table(folder, name):
    found = list(folder.glob(f"*.{name}.tsv"))
    assert len(found) == 1, (name, sorted(path.name for path in folder.iterdir()))
    return pd.read_csv(found[0], sep="\t", keep_default_na=False, na_values=["nan"], float_precision="round_trip")


def close(ours, theirs, what=""):
    np.testing.assert_allclose(np.asarray(ours, np.float64), np.asarray(theirs, np.float64), rtol=2e-8, atol=1e-12,
                               equal_nan=True, err_msg=what)


def shows(page, value):
    """Some cell of the page has the number as people read it."""
    text = f"{value:.4g}"
    assert any(text in row for rows in page.tables for row in rows), f"{text} is on no table of the page"


# ---- small results of every kind, made once


def make_screen(folder):
    make_inputs(folder)
    atlas = read_anndata(folder / "atlas.h5ad")
    write_weights(folder / "expression.safetensors", atlas, "expression", 1, [])
    fasta = (folder / "elements.fa").read_text().replace(">element_1\n", f">{HOSTILE}\n")
    (folder / "elements.fa").write_text(fasta)
    names = re.findall(r"^>(\S+)", fasta, re.M)
    (folder / "groups.tsv").write_text("".join(f"{name}\t{'<b>one' if i % 2 else 'two'}\n" for i, name in enumerate(names)))
    (folder / "screen.toml").write_text(screen_toml(folder, folder / "screen.h5ad", """
[sites]
insertions = 8
[controls]
shuffles = 2
[units]
elements = 1
""").replace("[elements]", f'[elements]\ngroups = "{folder}/groups.tsv"'))
    mpira("lentimpra", "--config", folder / "screen.toml", ranks=2, code=0)


@functools.cache
def results():
    """One folder for all cases: a screen, an atlas, a jacobian, a network, a sweep, a training run."""
    folder = Path(tempfile.mkdtemp(prefix="mpira-report-"))
    for part in ("screen", "genes", "sweep"):
        (folder / part).mkdir()
    make_screen(folder / "screen")
    jacobian_test.prepare(folder / "genes")
    jacobian_test.run(folder / "genes", "jacobian.h5ad", ranks=2)
    x = network_test.random_problem(0, variables=8, rows=200)
    network_test.write_matrix(folder / "genes" / "matrix.h5ad", {"A": x[:100], "B": x[100:]})
    network_test.run(folder / "genes", ["matrix.h5ad"], "network.h5ad", "--set", "lingam.bootstraps=3")
    folds_test.prepare(folder / "sweep")
    mpira(*folds_test.folds(folder / "sweep", "--set", "folds.by=block", "--set", "folds.block_bp=40000", "--set",
                            "folds.recipe_folds=chr1_block0", "--set", 'folds.settings=["GET", "MLP: model.kind=mlp"]'),
          code=0)
    mpira("train", "--config", folder / "sweep" / "train.toml", "--set", "train.epochs=5", "--set",
          "validation.mode=regions", "--set", 'validation.regions=["chr2:60000-120000"]',
          "--output", folder / "sweep" / "run.safetensors", code=0)
    return folder


def tidy_up():
    if results.cache_info().currsize:
        shutil.rmtree(results(), ignore_errors=True)


# ---- cases


def a_screen_as_anndata_reads_it(folder):
    file = results() / "screen" / "screen.h5ad"
    report(folder / "report.html", file, "--tables", folder / "tables")
    page, _ = read_page(folder / "report.html")
    screen = read_anndata(file)
    frame = screen.to_df()
    for quantity in [name.removesuffix(".element.mean") for name in screen.var_names if name.endswith(".element.mean")][:3]:
        score = frame[f"{quantity}.element-uninserted.mean"]
        best = score.sort_values(ascending=False, kind="stable")
        top = table(folder / "tables", f"top_elements.{quantity}")
        assert top["element"].tolist() == best.index.tolist()
        for column, statistic in (("mean", "element.mean"), ("element-uninserted", "element-uninserted.mean"),
                                  ("element-uninserted.se", "element-uninserted.se"), ("shuffled", "shuffled.mean"),
                                  ("element-shuffled.se", "element-shuffled.se"), ("uninserted", "uninserted.mean")):
            close(top[column].to_numpy(np.float32), frame.loc[top["element"], f"{quantity}.{statistic}"], column)
        shows(page, best.iloc[0])
        groups = table(folder / "tables", f"groups.{quantity}").set_index("group")
        for name, line in groups.iterrows():
            is_in = (screen.obs["group"] == name).to_numpy()
            own = score[is_in].astype(np.float64)
            assert line["elements"] == is_in.sum()
            close(line[["mean", "q25", "median", "q75"]],
                  [own.mean(), *np.percentile(own, [25, 50, 75])], f"group {name}")
            close(line["auc_against_the_rest"], roc_auc_score(is_in, score))
    machines = table(folder / "tables", "machines")
    rows = journal(file)
    assert machines["units"].sum() == len(rows) == screen.n_obs
    close(machines["computing_s"].sum(), rows["seconds"].sum())
    settings = table(folder / "tables", "settings").set_index("setting")["value"]
    identity = json.loads(screen.uns["mpira"]["identity"])
    assert settings["seed"] == str(identity["seed"]) and settings["sites.insertions"] == "8"
    inputs = table(folder / "tables", "inputs").set_index("input")["content"]
    assert inputs["atlas.content"] == identity["atlas.content"]
    assert f"{screen.n_obs}, all done" in page.text and "mpira 0." in page.text


def hostile_names_do_no_harm(folder):
    file = results() / "screen" / "screen.h5ad"
    title = "A <title> & more"
    report(folder / "report.html", file, "--title", title)
    page, data = read_page(folder / "report.html")
    text = (folder / "report.html").read_text()
    assert HOSTILE not in text and "<b>" not in text and "<img" not in text
    assert html.escape(HOSTILE).replace("&#x27;", "&#39;") in text and title in page.text
    assert page.tags.count("script") == 2 + len(data) and "img" not in page.tags
    assert any(HOSTILE in row for rows in page.tables for row in rows), "the name is not shown as it is"
    assert any(HOSTILE[:20] in name for figure in data for name in figure["y"].get("n", [])), "nor drawn"
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert all(f"{what} 'none'" in policy for what in ("default-src", "base-uri", "form-action")) and policy.count("'sha256-") == 2
    assert "unsafe-inline" not in policy.split("script-src")[1]


def a_sweep_beside_its_baselines(folder):
    file = results() / "sweep" / "sweep.h5ad"
    report(folder / "report.html", file, "--tables", folder / "tables")
    page, data = read_page(folder / "report.html")
    sweep = read_anndata(file)
    frame = sweep.to_df().join(sweep.obs[["setting", "fold", "seed", "recipe_fold"]].astype(
        {"setting": str, "fold": str}))
    settings = set(table(folder / "tables", "settings")["setting"])
    assert "train.lr" in settings and not settings & {"output", "resume.check", "commit.seconds", "checkpoint.every_s"}, settings
    folds = table(folder / "tables", "folds").set_index("fold")
    for setting in ("GET", "MLP"):
        own = frame[frame["setting"] == setting].set_index("fold")
        for figure in ("pearson", "auroc"):
            close(folds[f"{setting} {figure}"], own.loc[folds.index, figure], setting)
        series = table(folder / "tables", "series").set_index(["setting", "over"])
        for over, part in (("all folds", own), ("folds nobody watched", own[own["recipe_fold"] == 0])):
            line = series.loc[(setting, over)]
            assert line["folds"] == len(part)
            close([line["pearson"], line["pearson sd"], line["loss"]],
                  [part["pearson"].mean(), part["pearson"].std(), part["loss"].mean()], over)
        shows(page, own["pearson"].mean())
    assert (folds["recipe"] == "yes").sum() == 1
    first = (sweep.obs["setting"] == sweep.obs["setting"].iloc[0]).to_numpy()
    counted = int(np.asarray(sweep.obsm["heldout_scored"])[first].sum())
    assert sum(map(int, re.search(r"(\d+) entries with target 1, (\d+) with 0", page.text).groups())) == counted
    curves = np.asarray(sweep.obsm["curves"])[:, :, list(sweep.uns["curve_columns"]).index("train_loss")]
    drawn = next(figure for figure in data if figure["y"].get("t") == "loss")
    means = {one["n"]: one["y"] for one in drawn["s"] if "n" in one}
    for setting in ("GET", "MLP"):
        np.testing.assert_allclose(means[f"{setting}, mean"], curves[(sweep.obs["setting"] == setting).to_numpy()].mean(axis=0),
                                   rtol=2e-4)


def a_training_run(folder):
    for name in ("run.safetensors", "run.metrics.jsonl"):
        shutil.rmtree(folder / "tables", ignore_errors=True)
        report(folder / f"{name}.html", results() / "sweep" / name, "--tables", folder / "tables")
        page, data = read_page(folder / f"{name}.html")
        lines = [json.loads(line) for line in (results() / "sweep" / "run.metrics.jsonl").read_text().splitlines()]
        epochs = table(folder / "tables", "epochs")
        close(epochs["train_loss"], [line["train_loss"] for line in lines])
        close(epochs["validation_pearson"], [line["validation"]["pearson"] for line in lines])
        card = table(folder / "tables", "card").set_index("fact")["value"]
        assert card["assembly"] == "toy1" and card["content_hash"] in page.text
        held_out = pd.read_csv(results() / "sweep" / "run.heldout.tsv", sep="\t")
        assert f"of {len(held_out)}" in page.text or f"{len(held_out)} entries" in page.text or \
            f"{int((held_out.filter(like='target_') == 1).sum().sum())} entries with target 1" in page.text


def genes_and_their_regions(folder):
    genes = results() / "genes"
    result, atlas = read_anndata(genes / "jacobian.h5ad"), read_anndata(genes / "atlas.h5ad")
    gene = str(result.obs["gene_name"].iloc[len(result) // 2])
    report(folder / "report.html", genes / "jacobian.h5ad", genes / "atlas.h5ad", "--gene", gene, "--tables", folder / "tables")
    page, data = read_page(folder / "report.html")

    motifs = table(folder / "tables", "motifs").set_index("feature")
    values = np.asarray(result.uns["gene_by_motif"], np.float64)
    close(motifs.loc[list(result.var_names), "mean"], values.mean(axis=0))
    close(motifs.loc[list(result.var_names), "mean_magnitude"], np.abs(values).mean(axis=0))
    assert (np.diff(motifs["mean_magnitude"]) <= 0).all()

    drawn = table(folder / "tables", "gene_by_motif")
    heat = next(figure for figure in data if "z" in figure)
    assert (heat["z"]["r"], heat["z"]["c"]) == (len(drawn), drawn.shape[1] - 1)
    assert len(drawn) == min(50, len(values)) and "accessibility" not in drawn.columns
    first = result.obs.iloc[np.asarray(result.uns["gene_first_row"])]
    norms = np.linalg.norm(values[:, :-1], axis=1)
    kept = np.sort(np.argsort(-norms, kind="stable")[:len(drawn)])
    expected = pd.DataFrame(values[kept], columns=result.var_names)[drawn.columns[1:]]
    close(np.sort(drawn.iloc[:, 1:].to_numpy(), axis=0), np.sort(expected.to_numpy(), axis=0))
    assert len(first) == len(values)
    order_is_average_linkage(drawn.iloc[:, 1:].to_numpy())

    mine = result.obs[result.obs["gene_name"] == gene]
    mine = mine[mine["own_output"] == 1] if "own_output" in mine else mine
    row = result.obs_names.get_loc(mine["predicted"].idxmax())
    scores = pd.Series(np.asarray(result.obsm["region_score"][row].todense()).ravel(), atlas.obs_names)
    scores = scores[scores != 0]
    links = table(folder / "tables", "links").set_index("region")
    close(links["region score"].to_numpy(np.float32), scores.loc[links.index].to_numpy(np.float32))
    assert len(links) == len(scores) and (np.diff(links["region score"].abs()) <= 0).all()
    centre = (atlas.obs["start"] + atlas.obs["end"]) // 2
    downstream = -1 if result.obs["strand"].iloc[row] == "-" else 1
    assert (links["distance_bp"] == downstream * (centre[links.index] - result.obs["position"].iloc[row])).all()
    assert gene in page.text
    cells = table(folder / "tables", "cell_types").set_index("cell_type")
    assert cells.loc["toy_cell", "open_regions"] == (np.asarray(atlas.obsm["accessibility"])[:, 0] > 0).sum()
    # Without the atlas there are no coordinates, and the page says so.
    report(folder / "alone.html", genes / "jacobian.h5ad", "--gene", gene)
    assert "Name the atlas" in read_page(folder / "alone.html")[0].text
    refused = report(folder / "no.html", genes / "jacobian.h5ad", "--gene", gene + "x", code=2)
    assert f"did you mean '{gene}'" in refused.text


def order_is_average_linkage(drawn):
    """Rows as drawn: leaves of scipy's tree of the same distances may be turned at each merge, but merges are the same."""
    from scipy.cluster.hierarchy import average, fcluster
    from scipy.spatial.distance import pdist

    tree = average(pdist(drawn, "correlation"))
    for clusters in (2, 3, 5, 8):
        labels = fcluster(tree, clusters, "maxclust")
        changes = (np.diff(labels) != 0).sum()
        assert changes == len(set(labels)) - 1, f"{clusters} clusters of scipy's are not side by side"


def knock_outs_and_measured_pairs(folder):
    atlas, _ = perturb_test.prepare(folder)
    result = read_anndata(folder / "perturb.h5ad")
    pairs = perturb_test.write_pairs(folder, atlas, result)
    assert pairs
    mpira("crispri", "--set", f"scores.file={folder}/perturb.h5ad", "--set", "crispri.bins_bp=200,500", "--set",
          f"crispri.file={folder}/pairs.tsv", "--output", folder / "crispri.h5ad", code=0)
    gene = str(result.obs["gene_id"].iloc[0])
    report(folder / "report.html", folder / "perturb.h5ad", folder / "crispri.h5ad", "--gene", gene, "--tables",
           folder / "tables")
    page, _ = read_page(folder / "report.html")
    mine = result.obs[result.obs["gene_id"] == gene]
    mine = mine[mine["own_output"] == 1] if "own_output" in mine else mine
    row = result.obs_names.get_loc(mine["predicted"].idxmax())
    links = table(folder / "tables", "links").set_index("region")
    for column, name in (("knock-out effect", "knock_out"), ("gradient x input", "gradient_x_input"), ("power law", "powerlaw")):
        values = pd.Series(np.asarray(result.obsm[name][row].todense()).ravel(), atlas.obs_names)
        close(links[column].to_numpy(np.float32), values.loc[links.index].to_numpy(np.float32), column)
    effects = np.asarray(result.obsm["knock_out"][row].todense()).ravel()
    assert len(links) == (effects != 0).sum() and (np.diff(links["knock-out effect"].abs()) <= 0).all()

    judged = read_anndata(folder / "crispri.h5ad")
    areas = table(folder / "tables", "auprc")
    axes = judged.uns["axes"]
    assert len(areas) == len(axes["sets"]) * len(axes["cell_types"]) * len(axes["bins"])
    close(areas[list(judged.var_names)], np.asarray(judged.uns["auprc"]).reshape(len(areas), -1))
    close(areas["prevalence"], np.asarray(judged.uns["prevalence"]).ravel())
    assert areas["pairs"].tolist() == np.asarray(judged.uns["pairs"]).ravel().tolist()
    assert "Regions linked to" in page.text


def a_network(folder):
    file = results() / "genes" / "network.h5ad"
    report(folder / "report.html", file, "--tables", folder / "tables")
    page, data = read_page(folder / "report.html")
    network = read_anndata(file)
    effects = pd.DataFrame(network.varp["lingam"], network.var_names, network.var_names)
    edges = table(folder / "tables", "edges")
    assert len(edges) == (effects.to_numpy() != 0).sum()
    close(edges["weight"], [effects.loc[to, source] for source, to in zip(edges["from"], edges["to"])])
    frequency = pd.DataFrame(network.varp["lingam_frequency"], network.var_names, network.var_names)
    close(edges["bootstrap_frequency"], [frequency.loc[to, source] for source, to in zip(edges["from"], edges["to"])])
    sd = pd.Series(network.uns["motif_sd"], network.var_names)
    close(edges["standardised"], edges["weight"] * sd[edges["from"]].to_numpy() / sd[edges["to"]].to_numpy())
    assert (np.diff(edges["standardised"].abs()) <= 0).all() and np.diff(edges["weight"].abs()).max() > 0
    drawn = next(figure for figure in data if figure.get("q"))
    shown = {label for one in drawn["s"] if one.get("sl") for label in one["l"]}
    assert shown == set(edges["from"][:60]) | set(edges["to"][:60])


def an_unfinished_campaign_is_told_as_such(folder):
    mpira("synthetic", "--set", "rows=900", "--set", "columns=3", "--set", "duration.mean_ms=0", "--output",
          folder / "whole.h5ad", code=0)
    file = folder / "part.h5ad"
    shutil.copy(folder / "whole.h5ad", file)
    with h5py.File(file, "r+", locking=False) as handle:
        units = len(handle["uns/mpira/journal"])
        lost = units // 3
        rows = len(handle["obs/done"])
        handle["uns/mpira/journal"][:lost] = 0
        per_unit = -(-rows // units)
        handle["obs/done"][:lost * per_unit] = False
        handle["uns/mpira/finished"][()] = False
    report(folder / "report.html", file, folder / "whole.h5ad", "--tables", folder / "tables")
    page, _ = read_page(folder / "report.html")
    assert f"not complete: {lost} of {units} units are left" in page.text
    assert f"{rows - lost * per_unit} of {rows} done" in page.text
    names = sorted(path.name for path in (folder / "tables").iterdir())
    part = pd.read_csv(folder / "tables" / "1.part.columns.tsv", sep="\t", index_col=0)
    data = read_anndata(folder / "whole.h5ad")
    done = np.asarray(data.X)[lost * per_unit:].astype(np.float64)
    close(part["mean"], done.mean(axis=0))
    close(part["sd"], done.std(axis=0, ddof=1))
    assert "2.whole.columns.tsv" in names
    # A unit that failed is named with its reason.
    mpira("synthetic", "--set", "rows=60", "--set", "rows_per_unit=5", "--set", "duration.mean_ms=0", "--set",
          "fail.always=3", "--output", folder / "failed.h5ad", code=3)
    report(folder / "failed.html", folder / "failed.h5ad", "--tables", folder / "failed")
    failed = table(folder / "failed", "failed_units")
    told = mpira("status", folder / "failed.h5ad", "--json").stdout
    assert failed[["unit", "error"]].to_numpy().tolist() == [[3, json.loads(told)["first_errors"][0]["error"]]]
    assert ", 1 set aside with an error" in read_page(folder / "failed.html")[0].text
    # Nothing is done yet: still a page.
    with h5py.File(file, "r+", locking=False) as handle:
        handle["uns/mpira/journal"][:] = 0
        handle["obs/done"][:] = False
    report(folder / "none.html", file)
    text = (folder / "none.html").read_text()
    assert f"0 of {rows} done" in text and Page(text)


def an_evaluation(folder):
    """The folder of mpira evaluate as a section: its figures, a dot a score, and the measured activities."""
    rng = np.random.default_rng(8)
    result, bed = evaluate_test.screen(folder, rng)
    evaluate_test.assay(folder, list(bed.name), rng).to_csv(folder / "counts.tsv", sep="\t", index=False)
    evaluated = folder / "evaluation"
    mpira("evaluate", folder / "screen.h5ad", "--measured", folder / "counts.tsv", "--column", "element=oligo",
          "--controls", "control", "--resamples", "50", "--output", evaluated, code=0)
    report(folder / "report.html", folder / "screen.h5ad", evaluated, "--tables", folder / "tables")
    page, data = read_page(folder / "report.html")
    figures = pd.read_csv(evaluated / "figures.tsv", sep="\t", float_precision="round_trip")
    shown = table(folder / "tables", "evaluation_figures")
    assert list(shown.score) == list(figures.score) and list(shown.subset) == list(figures.subset)
    for column in ("pearson", "pearson_low", "spearman", "auprc", "positives"):
        close(shown[column], figures[column], column)
    overall = figures[figures.subset == "all"]
    for name in ("pearson", "spearman", "auprc"):
        drawn = next(plot for plot in data if plot["x"].get("t") == name)
        assert drawn["y"]["n"] == list(overall.score), drawn
        points = next(series for series in drawn["s"] if series["m"] == "p")
        np.testing.assert_allclose(points["x"], overall[name], rtol=1e-3)
    by_subset = [plot for plot in data if plot["x"].get("t") == "pearson"][1]
    assert by_subset["y"]["n"] == list(figures[figures.score == overall.score.iloc[0]].subset)
    sequences = pd.read_csv(evaluated / "sequences.tsv", sep="\t")
    cloud = next(plot for plot in data if plot["y"].get("t") == "measured activity")
    assert sum(len(series["x"]) for series in cloud["s"]) == len(sequences)
    assert {series["n"] for series in cloud["s"]} == {"elements", "negative controls"}
    text = (folder / "report.html").read_text()
    facts = json.loads((evaluated / "evaluation.json").read_text())
    assert f"r = {facts['ceiling_pearson']:.4g}" in text and "replicates r1 and r3" in text

    def refused(what, *words):
        told = report(folder / "wrong.html", *words, code=2)
        assert what in told.text and not (folder / "wrong.html").exists(), told.text

    refused("of folders those are reported", folder)
    torn = folder / "torn"
    shutil.copytree(evaluated, torn)
    (torn / "figures.tsv").write_text((torn / "figures.tsv").read_text().replace("pearson_low", "low", 1))
    refused("has no column 'pearson_low'", torn)
    (torn / "figures.tsv").write_text("subset\tscore\nall\n")
    refused("figures.tsv, line 2: 1 fields, its header has 2", torn)
    (torn / "evaluation.json").write_text("[1")
    refused("no JSON object", torn)


def wrong_requests_are_named(folder):
    screen = results() / "screen" / "screen.h5ad"
    (folder / "other.txt").write_text("no result\n")
    with h5py.File(folder / "foreign.h5ad", "w") as handle:
        handle["X"] = np.ones(3)
    (folder / "torn.h5ad").write_bytes(screen.read_bytes()[:5000])
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "wrong.metrics.jsonl").write_text("no\n")
    page = folder / "page.html"

    def refused(what, *words):
        result = mpira("report", *words, code=2)
        assert what in result.text, f"{what!r} not in {result.text}"
        assert not page.exists() and not list(folder.glob(".*draft")) and not (folder / "tables").exists()

    for name in ("other.txt", "foreign.h5ad", "torn.h5ad", "nowhere.h5ad", "empty.safetensors", "wrong.metrics.jsonl"):
        refused(name, folder / name, "--output", page, "--tables", folder / "tables")
    # Our files, but not as their jobs write them.
    sweep, network = (shutil.copy(results() / name, folder) for name in ("sweep/sweep.h5ad", "genes/network.h5ad"))
    jacobian = shutil.copy(results() / "genes" / "jacobian.h5ad", folder)
    with h5py.File(sweep, "r+", locking=False) as handle:
        del handle["uns/curve_columns"]
        handle["uns/curve_columns"] = np.array([b"train_loss"], dtype=h5py.string_dtype())
        handle["uns/curve_columns"].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    refused("curve_columns", sweep, "--output", page)
    with h5py.File(jacobian, "r+", locking=False) as handle:
        handle["uns/gene_first_row"][-1] = 10**9
    refused("gene_first_row", jacobian, "--output", page)
    with h5py.File(network, "r+", locking=False) as handle:
        del handle["obs/rows"]
    refused("network.h5ad", network, "--output", page)
    refused("other.txt", screen, folder / "other.txt", "--output", page)
    refused("--output is required", screen)
    refused("FILES is required", "--output", page)
    refused("there is no folder", screen, "--output", folder / "nowhere" / "page.html")
    refused("results of jacobian", screen, "--gene", "x", "--output", page)
    before = screen.read_bytes()
    for words in (("--output", screen), ("--output", screen, "--overwrite"), ("--output", page, "--tables", screen, "--overwrite")):
        refused("screen.h5ad", screen, *words)
    refused("one name", screen, "--output", page, "--tables", page)
    assert screen.read_bytes() == before and not screen.with_name("screen.h5ad.old").exists()
    # What exists stays, or gets another name.
    page.write_text("mine")
    assert "exists" in mpira("report", screen, "--output", page, code=2).text and page.read_text() == "mine"
    report(page, screen, "--overwrite")
    assert (folder / "page.html.old").read_text() == "mine"


def values_that_are_all_zero(folder):
    """Plots without an extent have axes all the same, and no figure that is no number."""
    shutil.copy(results() / "screen" / "screen.h5ad", folder / "screen.h5ad")
    with h5py.File(folder / "screen.h5ad", "r+") as file:
        file["X"][...] = 0
    report(folder / "report.html", folder / "screen.h5ad")
    figures = re.findall(r'<svg class="static".*?</svg>', (folder / "report.html").read_text(), re.S)
    assert figures and not any(re.search(r"\bnan\b", figure) for figure in figures)


def browsers_open_it(folder):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("  skipped: no chromium here (launch/debian-check.txt)")
        return
    all_results = results()
    report(folder / "report.html", all_results / "screen" / "screen.h5ad", all_results / "sweep" / "sweep.h5ad",
           all_results / "sweep" / "run.safetensors", all_results / "genes" / "jacobian.h5ad",
           all_results / "genes" / "atlas.h5ad", all_results / "genes" / "network.h5ad")
    page, data = read_page(folder / "report.html")
    keep = os.environ.get("MPIRA_SCREENSHOTS")  # to look at them
    for width in (1280, 390):
        for theme in ("light", "dark"):
            picture = Path(keep or folder) / f"{theme}.{width}.png"
            text, log = open_in(browser, folder, folder / "report.html", width, theme, "--dump-dom")
            live = text.count('class="plot live"') + text.count('class="plot wide live"')
            assert live == page.figures, f"{live} of {page.figures} plots became interactive"
            assert text.count('class="main-svg"') >= page.figures
            buttons = set(re.findall(r'data-title="([^"]*)"', text))
            assert buttons and not any(re.search("cloud|plotly|share", one, re.I) for one in buttons), buttons
            # Its window is never below 500 px: a frame is.
            frame = folder / "frame.html"
            frame.write_text(f'<!DOCTYPE html><body style="margin:0"><iframe src="report.html" style="border:0;width:{width}px;'
                             'height:16000px"></iframe>')
            _, more = open_in(browser, folder, frame, width, theme, f"--screenshot={picture}")
            said = [line for line in (log + more).splitlines() if "CONSOLE" in line]
            assert not said, "\n".join(said)
            assert picture.stat().st_size > 20000
    # Without scripts, the same figures as SVG.
    static = (folder / "report.html").read_text()
    for script in re.findall(r"<script>.*?</script>", static, re.S):
        static = static.replace(script, "")
    (folder / "static.html").write_text(static)
    text, log = open_in(browser, folder, folder / "static.html", 1280, "light", "--dump-dom")
    assert text.count('<svg class="static"') == page.figures and "main-svg" not in text and "CONSOLE" not in log


if __name__ == "__main__":
    try:
        run_cases([a_screen_as_anndata_reads_it, hostile_names_do_no_harm, a_sweep_beside_its_baselines, a_training_run,
                   genes_and_their_regions, knock_outs_and_measured_pairs, a_network, an_unfinished_campaign_is_told_as_such, an_evaluation, wrong_requests_are_named,
                   values_that_are_all_zero, browsers_open_it])
    finally:
        tidy_up()
