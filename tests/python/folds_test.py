"""`mpira folds` on the small genome of train_test.py: what a sweep leaves, against scipy and scikit-learn; kill -9 in the
middle and another rank count; groups of ranks, their failures and signals; drawn settings; permuted labels; adaptors of
a base that saw some of it; cell types held out; figures of each cell type; what a sweep will cost; wrong inputs by name."""
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
from safetensors import safe_open
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import r2_score, roc_auc_score

from mpira_test import Running, assert_equal_results, kill_and_resume, mpira, read_anndata, run_cases, status, wait_until
from train_stages_test import ROOT, make_atlas
from train_test import make_data, weights

RECIPE = ["--set", "train.epochs=6", "--set", "checkpoint.every_s=0", "--set", "commit.seconds=0.05"]
BLOCKS = ["--set", "folds.by=block", "--set", "folds.block_bp=40000"]


def prepare(folder):
    make_data(folder)
    text = (folder / "train.toml").read_text()
    table = f'holdout = {{ folds = "{folder / "folds.tsv"}", fold = "one", margin_bp = 150 }}'
    assert table in text
    (folder / "folds.toml").write_text(text.replace(table, "holdout.margin_bp = 150"))
    return folder


def folds(folder, *words, output="sweep.h5ad"):
    return ["folds", "--config", folder / "folds.toml", *RECIPE, *words, "--output", folder / output]


def held_out(data, run):
    """Row numbers, predictions, targets of a run, without the padding."""
    rows = np.asarray(data.obsm["heldout_row"])[run]
    real = rows >= 0
    return rows[real], np.asarray(data.obsm["heldout_predicted"])[run][real], np.asarray(
        data.obsm["heldout_target"])[run][real]


def check_figures(figures, predicted, target, places=6):
    predicted, target = predicted.astype(np.float64), target.astype(np.float64)
    binary = np.isin(target, (0, 1)).all()
    expected = {"pearson": pearsonr(predicted, target)[0], "spearman": spearmanr(predicted, target)[0],
                "r2": r2_score(target, predicted),
                "auroc": roc_auc_score(target > 0.5, predicted) if binary else np.nan,
                "loss": np.mean(np.maximum(predicted, 0) - target * np.log(np.maximum(predicted, 0) + 1e-8))}
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name], value, rtol=10.0**-places, atol=10.0**-places, err_msg=name)


def sweep_and_kill(folder):
    """Three networks on ten blocks: the file, its figures, and the same bytes after a kill -9 on other ranks."""
    prepare(folder)
    sweep = [*BLOCKS, "--set", "folds.recipe_folds=chr1_block0,chr3_block1", "--set",
             'folds.settings=["GET", "CNN: model.kind=cnn", "MLP: model.kind=mlp train.lr=2e-3"]']
    run = mpira(*folds(folder, *sweep), ranks=2, code=0)
    assert "MLP.seed0: held-out Pearson" in run.text and "folds the recipe was chosen on" in run.text, run
    data = read_anndata(folder / "sweep.h5ad")
    assert data.shape == (30, 9) and data.obs["done"].all()
    assert list(data.obs["setting"][:2]) == ["GET", "GET"] and data.obs["recipe_fold"].sum() == 6
    figures = data.to_df()
    regions = [line.split("\t") for line in (folder / "regions.bed").read_text().splitlines()]
    for setting in range(3):
        seen, pooled_predicted, pooled_target = [], [], []
        for run_number in range(10 * setting, 10 * setting + 10):
            rows, predicted, target = held_out(data, run_number)
            block = {(regions[r][0], (int(regions[r][1]) + int(regions[r][2])) // 2 // 40000) for r in rows}
            assert len(block) == 1 and len(rows) == data.obs["held_out_regions"].iloc[run_number], block
            check_figures(figures.iloc[run_number], predicted[:, 0], target[:, 0])
            seen += list(rows)
            pooled_predicted += list(predicted[:, 0])
            pooled_target += list(target[:, 0])
        assert sorted(seen) == list(range(len(regions))), "each region is held out once"
        pooled = dict(zip(data.var_names, data.uns["summary"]["pooled"][setting]))
        check_figures(pooled, np.array(pooled_predicted), np.array(pooled_target))
        own = figures["pearson"][10 * setting:10 * setting + 10]
        column = list(data.var_names).index("pearson")
        summary = data.uns["summary"]
        np.testing.assert_allclose(summary["all_folds"]["mean"][setting][column], own.mean())
        np.testing.assert_allclose(summary["all_folds"]["sd"][setting][column], own.std(ddof=1))
        chosen = data.obs["recipe_fold"].to_numpy()[:10] == 1
        np.testing.assert_allclose(summary["recipe_folds"]["mean"][setting][column], own[chosen].mean())
        np.testing.assert_allclose(summary["other_folds"]["mean"][setting][column], own[~chosen].mean())
    curves = np.asarray(data.obsm["curves"])
    columns = list(data.uns["curve_columns"])
    validation = curves[:, :, columns.index("validation_loss")]
    kept = data.obs["kept_epoch"].to_numpy()
    assert np.isfinite(validation).all() and (validation.argmin(axis=1) + 1 == kept).all()
    np.testing.assert_allclose(figures["validation_loss"], validation.min(axis=1), rtol=1e-6)
    check_weights(folder, data)
    check_shown(folder, figures)

    file = folder / "killed.h5ad"
    left = folder / "killed.h5ad.checkpoints"
    counts = kill_and_resume(folds(folder, *sweep, output=file.name), file, chance=random.Random(1), kills=1, ranks=[2],
                             more=(5, 5), ready=lambda: any(left.glob("*.safetensors")))
    assert counts and counts[0] < 30, "killed too late"
    before = counts[0]
    again = mpira(*folds(folder, *sweep, output=file.name), ranks=3, code=0)
    assert f"resuming: {before} of 30" in again.text or before < 5, again
    assert_equal_results(folder / "sweep.h5ad", file)
    for one in (folder / "sweep.h5ad.weights").iterdir():
        assert one.read_bytes() == (folder / "killed.h5ad.weights" / one.name).read_bytes(), one.name
    assert not left.exists() and not (folder / "sweep.h5ad.checkpoints").exists()
    check_weights_come_back(folder, sweep)
    print(f"  killed after {before} of 30 runs; the same bytes on three ranks")


def check_weights_come_back(folder, sweep):
    """Deleted weights are written again; a sweep made anew moves the old ones away, and mixes nothing."""
    weights = folder / "sweep.h5ad.weights"
    names = sorted(one.name for one in weights.iterdir())
    before = {}
    for name in names:
        if name.endswith(".safetensors"):
            with safe_open(weights / name, "np") as stored:
                before[name] = {key: stored.get_tensor(key) for key in stored.keys()}
    assert "a run of the sweep" in mpira("status", weights / next(iter(before)), code=0).text
    for one in weights.iterdir():
        one.unlink()
    assert "30 finished runs were gone; written again" in mpira(*folds(folder, *sweep), ranks=2, code=0).text
    assert sorted(one.name for one in weights.iterdir()) == names
    for name, tensors in before.items():
        with safe_open(weights / name, "np") as stored:
            assert all((stored.get_tensor(key) == values).all() for key, values in tensors.items()), name
        assert json.loads(mpira("weights", weights / name, "--json", code=0).stdout)["training"]["restored_from"] == "sweep.h5ad"
    mpira(*folds(folder, *sweep, "--set", "train.epochs=1", "--set", 'folds.settings=["MLP: model.kind=mlp"]',
                 "--fresh", "--overwrite"), code=0)
    assert sorted(one.name for one in (folder / "sweep.h5ad.weights.old").iterdir()) == names
    assert (folder / "sweep.h5ad.old").exists() and len(list(weights.glob("*.safetensors"))) == 10


def check_weights(folder, data):
    """The file's weights are those beside it; the table names every fold."""
    for run_number, name in ((0, "GET"), (13, "CNN"), (29, "MLP")):
        run = data.obs_names[run_number]
        about = data.uns["weights"][name]
        with safe_open(folder / "sweep.h5ad.weights" / f"{run}.safetensors", "np") as stored:
            card = json.loads(stored.metadata()["mpira"])
            assert set(stored.keys()) == set(about["names"])
            for tensor, shape, offset in zip(about["names"], about["shapes"], about["offsets"]):
                values = stored.get_tensor(tensor)
                assert list(values.shape) == [int(n) for n in shape.split(",")]
                mine = np.asarray(data.obsm["weights"])[run_number][offset:offset + values.size]
                np.testing.assert_array_equal(mine, values.ravel())
        assert card["training"]["kept_epoch"] == data.obs["kept_epoch"].iloc[run_number]
        assert card["held_out"], card
    lines = (folder / "sweep.h5ad.weights" / "CNN.seed0.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == list(data.obs["fold"][10:20])
    assert all((folder / "sweep.h5ad.weights" / line.split("\t")[1]).exists() for line in lines)


def check_shown(folder, figures):
    text = mpira("status", folder / "sweep.h5ad", code=0).stdout
    assert f"GET: Pearson {figures['pearson'][:10].mean():.3f}" in text, text
    assert status(folder / "sweep.h5ad")["finished"]


def written_at(file):
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # just now given its other name
        return 0


def groups(folder):
    """Two groups of two ranks: the same runs within float noise; a run that fails; a signal to one follower."""
    prepare(folder)
    some = [*BLOCKS, "--set", "folds.only=chr1_block0,chr2_block1", "--set", "folds.seeds=0,1"]
    mpira(*folds(folder, *some, output="one.h5ad"), code=0)
    pair = [*some, "--set", "folds.ranks_per_fold=2"]
    mpira(*folds(folder, *pair, output="two.h5ad"), ranks=4, code=0)
    one, two = read_anndata(folder / "one.h5ad"), read_anndata(folder / "two.h5ad")
    assert list(one.obs_names) == list(two.obs_names) and len(one.obs) == 4
    apart = np.nanmax(np.abs(np.asarray(one.obsm["heldout_predicted"]) - np.asarray(two.obsm["heldout_predicted"])))
    print(f"  groups of 1 and 2 ranks: predictions at most {apart:.1e} apart")
    assert apart < 1e-3
    first = one.to_df().iloc[:2]
    assert not np.allclose(first["pearson"], one.to_df().iloc[2:]["pearson"]), "seeds differ"
    refused = mpira(*folds(folder, *pair, output="three.h5ad"), ranks=3, code=2)
    assert "folds.ranks_per_fold" in refused.text and "2 or 4" in refused.text, refused
    other = mpira(*folds(folder, *some, output="two.h5ad"), ranks=2, code=2)
    assert "folds.ranks_per_fold" in other.text, other
    other = mpira(*folds(folder, *pair, "--set", "train.lr=1e-4", output="two.h5ad"), ranks=2, code=2)
    assert "train.lr = 0.005, now 0.0001" in other.text, other

    # A follower is gone in the middle of a step: the job ends, and goes on as if nothing had happened. A follower has no
    # memory left: its group's run fails alike on both ranks, and the other group does it, from the checkpoint.
    longer = [*pair, "--set", "train.epochs=40", "--set", "folds.seeds=0"]
    mpira(*folds(folder, *longer, output="whole.h5ad"), ranks=4, code=0)
    for name, fate in (("killed", lambda pid: os.kill(pid, signal.SIGKILL)),
                       ("starved", lambda pid: resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, 1 << 20)))):
        file = folder / f"{name}.h5ad"
        checkpoints = folder / f"{name}.h5ad.checkpoints"
        running = Running(*folds(folder, *longer, output=file.name), ranks=4)
        wait_until(lambda: len(list(checkpoints.glob("*.safetensors"))) == 2, what="checkpoints of both groups")
        fate(sorted(running.rank_pids())[3])
        begin = time.time()
        result = running.wait(60)
        if name == "killed":
            assert result.returncode != 0 and status(file)["done"] < 2, result
            print(f"  a rank of a group killed: the job ended after {time.time() - begin:.1f} s")
            mpira(*folds(folder, *longer, output=file.name), ranks=2, code=0)
        else:
            assert result.returncode == 0 and "will be tried again: rank 1: " in result.text, result
        assert_equal_results(folder / "whole.h5ad", file)

    failing = [*pair, "--set", 'folds.settings=["GET", "WILD: train.lr=9 train.min_lr=9 train.weight_decay=10"]']
    run = mpira(*folds(folder, *failing, output="wild.h5ad"), ranks=4, code=3)
    assert "not finite" in run.text, run
    told = status(folder / "wild.h5ad")
    assert told["done"] == 4 and told["failed"] == 4 and "not finite" in told["first_errors"][0]["error"], told

    file = folder / "signal.h5ad"
    slow = [*pair, "--set", "train.epochs=2000"]
    for number, victim in ((signal.SIGTERM, 3), (signal.SIGUSR1, None)):
        begin = time.time()
        running = Running(*folds(folder, *slow, output=file.name), ranks=4)
        checkpoints = folder / "signal.h5ad.checkpoints"
        written = lambda: [one for one in checkpoints.glob("*.safetensors") if written_at(one) > begin]
        wait_until(lambda: len(written()) >= 2, what="checkpoints of both groups")
        if victim is None:
            # Another start, though it means to start over, is refused and leaves the running one what it has.
            place = checkpoints.stat().st_ino
            other = mpira(*folds(folder, *some, "--fresh", "--overwrite", "--set", "store.owner_wait_s=0", output=file.name),
                          code=2)
            # A checkpoint may be between its two names just now.
            runs = {one.name.partition(".safetensors")[0] for one in checkpoints.glob("[!.]*.safetensors*")}
            assert "is owned by" in other.text and checkpoints.stat().st_ino == place and len(runs) >= 2, other
            running.signal(number)
        else:
            os.kill(sorted(running.rank_pids())[victim], number)  # the last one started: a follower
        result = running.wait(30)
        assert result.returncode == 3, result
        assert status(file)["done"] == 0 and any(checkpoints.iterdir())
    mpira(*folds(folder, *some, "--set", "folds.ranks_per_fold=2", "--fresh", "--overwrite", output=file.name), ranks=2,
          code=0)


def draws(folder):
    """A search on one fold: the least validation loss is named, and more draws leave the first ones as they are."""
    prepare(folder)
    search = [*BLOCKS, "--set", "folds.only=chr1_block2", "--set",
              'folds.ranges=["train.lr: 1e-4..1e-2 log", "train.weight_decay: 0..0.1"]']
    mpira(*folds(folder, *search, "--set", "folds.draws=4", output="four.h5ad"), ranks=2, code=0)
    mpira(*folds(folder, *search, "--set", "folds.draws=2", output="two.h5ad"), code=0)
    data, fewer = read_anndata(folder / "four.h5ad"), read_anndata(folder / "two.h5ad")
    rates = data.obs["train.lr"].to_numpy()
    assert len(set(rates)) == 4 and (rates >= 1e-4).all() and (rates <= 1e-2).all(), rates
    assert (data.obs["train.weight_decay"] <= 0.1).all()
    best = data.to_df()["validation_loss"].argmin()
    assert data.uns["summary"]["best_run"][0] == best
    np.testing.assert_array_equal(fewer.X, data.X[:2])


def no_leak(folder):
    """Labels permuted: the mean held-out Pearson is within two standard errors of 0 over the folds."""
    prepare(folder)
    sweep = [*BLOCKS, "--set", "folds.seeds=0,1,2", "--set", "target.permute_labels=5", "--set", "train.epochs=20"]
    mpira(*folds(folder, *sweep), ranks=2, code=0)
    pearson = read_anndata(folder / "sweep.h5ad").to_df()["pearson"].to_numpy().reshape(3, 10).mean(axis=0)
    error = pearson.std(ddof=1) / np.sqrt(len(pearson))
    print(f"  permuted labels: mean Pearson {pearson.mean():+.3f}, standard error {error:.3f}")
    assert abs(pearson.mean()) < 2 * error


KIND = ["--set", "target.kind=expression", "--set", "target.expression={cell_type}.plus,{cell_type}.minus"]


def prepare_cells(folder):
    make_data(folder)
    make_atlas(folder)
    lines = (folder / "cells.toml").read_text().splitlines()
    (folder / "folds.toml").write_text("\n".join(l for l in lines if not l.startswith(("holdout", "validation"))) + "\n")


def adaptors(folder):
    """LoRA and expression, on a base that saw one of the two folds: labelled wherever figures are; a base that saw the
    target is refused."""
    prepare_cells(folder)
    base = lambda output, *words: mpira("train", "--config", folder / "cells.toml", *words, "--output", folder / output,
                                        code=0)
    base("base.safetensors", "--set", "target.kind=masked", "--set", "target.cell_type=A,B", "--set", "train.epochs=10")
    sweep = [*KIND, "--set", "target.cell_type=C", "--set", "folds.by=chromosome", "--set", "folds.only=chr1,chr3",
             "--set", "lora.rank=2", "--set", "lora.alpha=4"]
    run = mpira(*folds(folder, *sweep, "--set", f"init.weights={folder / 'base.safetensors'}"), ranks=2, code=0)
    data = read_anndata(folder / "sweep.h5ad")
    assert list(data.obs["fold"]) == ["chr1", "chr3"] and "across_cell_types" not in data.uns
    saw = list(data.obs["base_saw"])
    assert "motif features of held-out regions" in saw[0] and saw[1] == "", saw  # chr3 was held out from the base
    shown = mpira("status", folder / "sweep.h5ad", code=0).stdout
    assert f"chr1: {saw[0]}" in shown and "chr3: " not in shown, shown
    assert f"in 1 of 2 runs (obs/base_saw): {saw[0]}" in run.text, run
    card_of_base = weights(folder / "base.safetensors")[1]
    about = data.uns["weights"]["default"]
    for number, name in enumerate(data.obs_names):
        tensors, card = weights(folder / "sweep.h5ad.weights" / f"{name}.safetensors")
        assert card["adaptor"]["base"] == card_of_base["content_hash"], card["adaptor"]
        assert any(key.endswith("lora_A") for key in tensors) and "encoder.norm.weight" not in tensors
        assert "; ".join(card["training"].get("base_saw", [])) == saw[number]
        kept = np.asarray(data.obsm["weights"])[number]
        assert set(about["names"]) == set(tensors)
        for key, offset in zip(about["names"], about["offsets"]):
            np.testing.assert_array_equal(kept[offset:offset + tensors[key].size], tensors[key].ravel())
        _, predicted, target = held_out(data, number)
        check_figures(data.to_df().iloc[number], predicted.ravel(), target.ravel())

    base("full.safetensors", *KIND, "--set", "target.cell_type=C", "--set", "train.epochs=1")
    refused = mpira(*folds(folder, *sweep, "--set", f"init.weights={folder / 'full.safetensors'}", output="no.h5ad"), code=2)
    for word in ("held-out target", "expression", "of C", "chr1:"):
        assert word in refused.text, (word, refused)
    assert not (folder / "no.h5ad").exists()


def cell_types(folder):
    """Each of three cell types held out in turn: per gene across them, and beside the mean of those trained on."""
    prepare_cells(folder)
    sweep = [*KIND, "--set", "target.cell_type=*", "--set", "folds.by=cell_type", "--set", "validation.mode=none"]
    run = mpira(*folds(folder, *sweep, "--set", "folds.seeds=0,1"), ranks=2, code=0)
    data = read_anndata(folder / "sweep.h5ad")
    assert list(data.obs["fold"]) == list("ABCABC")
    genes = data.uns["across_cell_types"]
    assert list(genes["figures"]) == ["pearson", "spearman", "r2"]
    for series in range(2):
        runs = range(3 * series, 3 * series + 3)
        entries = {}  # (row, output): (run, predicted, target)
        for number in runs:
            rows, predicted, target = held_out(data, number)
            for i, row in enumerate(rows):
                for output in range(2):
                    entries.setdefault((row, output), []).append((number, predicted[i, output], target[i, output]))
        several = sorted(gene for gene, values in entries.items() if len(values) > 2)
        assert several == list(zip(genes["row"], genes["output"])) and len(several) > 300
        for at, gene in enumerate(several):
            _, predicted, target = np.array(entries[gene], dtype=np.float64).T
            assert genes["cell_types"][series][at] == len(target)
            defined = np.ptp(predicted) > 0 and np.ptp(target) > 0
            expected = [pearsonr(predicted, target)[0] if defined else np.nan,
                        spearmanr(predicted, target)[0] if defined else np.nan,
                        r2_score(target, predicted) if np.ptp(target) > 0 else np.nan]
            found = [genes[figure][series][at] for figure in genes["figures"]]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=str(gene))
        for at, figure in enumerate(genes["figures"]):
            np.testing.assert_allclose(genes["median"][series][at], np.nanmedian(genes[figure][series]), rtol=1e-12)
            np.testing.assert_allclose(genes["mean"][series][at], np.nanmean(genes[figure][series]), rtol=1e-12)
        assert f"medians over {len(several)} targets (region and output): Pearson {genes['median'][series][0]:.3f}" in run.text, run

        beside = {name: np.asarray(data.obsm[name]) for name in ("training_mean", "beside_training_mean")}
        for number in runs:
            rows, predicted, target = held_out(data, number)
            others = [[np.mean([t for other, _, t in entries[row, output] if other != number] or [np.nan])
                       for output in range(2)] for row in rows]
            means = np.asarray(data.obsm["heldout_training_mean"])[number][:len(rows)]
            np.testing.assert_allclose(means, others, rtol=1e-6)
            known = ~np.isnan(means)
            assert 0 < (~known).sum() < known.sum(), "some genes are in one cell type only"
            for name, values in (("training_mean", means), ("beside_training_mean", predicted)):
                check_figures(dict(zip(data.var_names, beside[name][number])), values[known], target[known])
        for name, figures in beside.items():
            own = figures[list(runs)]
            np.testing.assert_allclose(data.uns["summary"]["all_folds"][f"{name}_mean"][series], own.mean(axis=0))
            np.testing.assert_allclose(data.uns["summary"]["all_folds"][f"{name}_sd"][series], own.std(axis=0, ddof=1))
    report = subprocess.run([sys.executable, ROOT / "launch" / "sweep_report.py", folder / "sweep.h5ad", folder / "cells.h5ad"],
                            capture_output=True, text=True, check=True).stdout
    first = beside["training_mean"][0][list(data.var_names).index("pearson")]
    assert "training mean" in report and f"{first:14.3f}" in report and "across cell types, medians of" in report, report


def by_cell_type(folder):
    """Chromosomes held out in two of three cell types: figures of each apart, their means over folds, pooled. A setting
    may train without the regions that carry a motif; it is scored on the same ones."""
    prepare_cells(folder)
    sweep = [*KIND, "--set", "target.cell_type=C,A", "--set", "folds.by=chromosome", "--set", "validation.mode=none",
             "--set", "folds.recipe_folds=chr3", "--set", "train.epochs=2", "--set",
             'folds.settings=["all", "without: holdout.motifs=boundA holdout.motif_cutoff=0.01"]']
    run = mpira(*folds(folder, *sweep), ranks=2, code=0)
    data = read_anndata(folder / "sweep.h5ad")
    names = list(data.uns["cell_types"])
    found, figures = np.asarray(data.obsm["by_cell_type"]), list(data.var_names)
    assert names == list("ABC") and found.shape == (6, 3, len(figures))
    pooled = {}
    cell_type = np.asarray(data.obsm["heldout_cell_type"])
    for number in range(6):
        rows, predicted, target = held_out(data, number)
        for at in (0, 2):
            mine = cell_type[number][:len(rows)] == at
            assert mine.any()
            check_figures(dict(zip(figures, found[number, at])), predicted[mine].ravel(), target[mine].ravel())
            pooled.setdefault((number // 3, at), []).append((predicted[mine].ravel(), target[mine].ravel()))
    assert np.isnan(found[:, 1]).all()
    summary, pearson = data.uns["summary"], figures.index("pearson")
    for series in range(2):
        mine = found[3 * series:3 * series + 3]
        for folds_of, chosen in (("all_folds", [0, 1, 2]), ("recipe_folds", [2]), ("other_folds", [0, 1])):
            for what, of in (("mean", lambda x: x.mean(axis=0)), ("sd", lambda x: x.std(axis=0, ddof=1))):
                if what == "mean" or len(chosen) > 1:
                    np.testing.assert_allclose(summary[folds_of][f"by_cell_type_{what}"][series][[0, 2], pearson],
                                               of(mine[chosen])[[0, 2], pearson])
        for at in (0, 2):
            check_figures(dict(zip(figures, summary["by_cell_type_pooled"][series][at])),
                          *map(np.concatenate, zip(*pooled[series, at])))
        assert f"by cell type: A {mine[:, 0, pearson].mean():.3f} (sd" in run.text, run
    held, trained = (data.obs[name].to_numpy() for name in ("held_out_regions", "trained_regions"))
    assert (held[:3] == held[3:]).all() and (trained[3:] < 0.8 * trained[:3]).all(), (held, trained)
    np.testing.assert_array_equal(data.obsm["heldout_row"][:3], data.obsm["heldout_row"][3:])
    report = subprocess.run([sys.executable, ROOT / "launch" / "sweep_report.py", folder / "sweep.h5ad", folder / "cells.h5ad"],
                            capture_output=True, text=True, check=True).stdout
    assert f"all.seed0, A: mean {found[:3, 0, pearson].mean():.3f}" in " ".join(report.split()), report


def planned(folder):
    """What a sweep will cost, with a network of each size measured; nothing is written."""
    prepare(folder)
    before = sorted(folder.iterdir())
    words = [*BLOCKS, "--set", "train.epochs=500", "--set", 'folds.settings=["GET", "CNN: model.kind=cnn"]']
    text = mpira("plan", "folds", "--config", folder / "folds.toml", *words, "--ranks", 8, "--ranks-per-node", 4,
                 code=0).stdout
    for word in ("job folds: 10 folds x 1 seed x 2 settings", "in 20 units", "core-hours", "8 ranks (2 node(s) of 4)", "output"):
        assert word in text, (word, text)
    pair = mpira("plan", "folds", "--config", folder / "folds.toml", *words, "--set", "folds.ranks_per_fold=2", ranks=2,
                 code=0).stdout
    assert "each by 2 ranks" in pair and "on 2 rank(s)" in pair, pair
    assert "folds.ranks_per_fold" in mpira("plan", "folds", "--config", folder / "folds.toml", *words, "--set",
                                           "folds.ranks_per_fold=2", code=2).text
    assert sorted(folder.iterdir()) == before


WRONG = [
    (["--set", "folds.by=fold"], ["folds.by", "table"]),
    (["--set", "folds.by=table"], ["holdout.folds"]),
    (["--set", "folds.by=cell_type"], ["folds.by", "target.cell_type"]),
    ([*BLOCKS, "--set", "holdout.regions=chr1:0-10"], ["holdout.regions", "folds.by"]),
    ([*BLOCKS, "--set", "holdout.folds=folds.tsv"], ["holdout.folds", "table"]),
    ([*BLOCKS, "--set", "folds.only=chr1_blok0"], ["folds.only", "chr1_block0"]),
    ([*BLOCKS, "--set", "folds.recipe_folds=x"], ["folds.recipe_folds", "'x'"]),
    ([*BLOCKS, "--set", "folds.seeds=1,1"], ["folds.seeds", "twice"]),
    ([*BLOCKS, "--set", "folds.seeds=one"], ["folds.seeds", "one"]),
    ([*BLOCKS, "--set", 'folds.settings=["A train.lr=1"]'], ["folds.settings", "NAME"]),
    ([*BLOCKS, "--set", 'folds.settings=["A: train.rl=1"]'], ["train.rl", "train.lr"]),
    ([*BLOCKS, "--set", 'folds.settings=["A: seed=1"]'], ["folds.settings", "seed"]),
    ([*BLOCKS, "--set", 'folds.settings=["A: holdout.fold=one"]'], ["folds.settings", "holdout.fold"]),
    ([*BLOCKS, "--set", 'folds.settings=["A", "A"]'], ["A", "rename"]),
    ([*BLOCKS, "--set", "folds.draws=2"], ["folds.ranges", "folds.draws"]),
    ([*BLOCKS, "--set", "validation.mode=none", "--set", "folds.draws=2", "--set",
      'folds.ranges=["train.lr: 1e-4..1e-2 log"]'], ["folds.draws", "validation.mode"]),
    ([*BLOCKS, "--set", "folds.draws=2", "--set", 'folds.ranges=["train.lr 1..2"]'], ["folds.ranges", "colon"]),
    ([*BLOCKS, "--set", "folds.draws=2", "--set", 'folds.ranges=["train.lr: 0..1 log"]'], ["folds.ranges", "above 0"]),
    ([*BLOCKS, "--set", "folds.draws=2", "--set", 'folds.ranges=["train.epochs: 1..2"]'], ["folds.ranges", "numbers"]),
    ([*BLOCKS, "--set", "folds.block_bp=1000000000", "--set", "folds.only=chr1_block0,chr2_block0"], ["validation"]),
    ([*BLOCKS, "--set", "holdout.fold=one"], ["holdout.fold"]),
    ([*BLOCKS, "--set", "atlas=nowhere.h5ad"], ["nowhere.h5ad"]),
]


def wrong_inputs(folder):
    prepare(folder)
    for words, expected in WRONG:
        result = mpira(*folds(folder, *words, output="wrong.h5ad"))
        assert result.returncode == 2, result
        assert all(word in result.text for word in expected), f"not all of {expected} in\n{result}"
        assert not (folder / "wrong.h5ad").exists(), result
    print(f"  {len(WRONG)} wrong inputs refused by name")


if __name__ == "__main__":
    run_cases([sweep_and_kill, groups, draws, no_leak, adaptors, cell_types, by_cell_type, planned, wrong_inputs])
