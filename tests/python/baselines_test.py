"""Ridge, forest and SVR in `mpira folds` beside GET, on the small genome of train_test.py: the same folds and figures as the
networks, predictions of scikit-learn on the same rows, the same bytes at 1 and 3 ranks and in groups, signals, a search, plan,
report, and what is refused."""
import signal
import time

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

from folds_test import BLOCKS, KIND, check_figures, folds, held_out, prepare, prepare_cells
from mpira_test import Running, assert_equal_results, mpira, read_anndata, run_cases, status, wait_until

KINDS = ["ridge: model.kind=ridge baseline.alpha=2", "forest: model.kind=forest", "svr: model.kind=svr"]


def settings(*lines):
    return ["--set", "folds.settings=[" + ", ".join(f'"{line}"' for line in lines) + "]"]


def scaled(atlas, name="all_regions"):
    scale = np.asarray(atlas.varm["scale"])[:, list(atlas.uns["scale_sets"]).index(name)]
    return np.minimum(np.asarray(atlas.X, np.float32) / scale.astype(np.float32), np.float32(1)).astype(np.float64)


def beside_get(folder):
    """Ten blocks: each region held out once by each; ridge is scikit-learn's on the regions of the fold; bytes."""
    prepare(folder)
    sweep = [*BLOCKS, *settings("GET", *KINDS), "--set", "folds.seeds=0,1", "--set", "input.left_out_motifs=other"]
    run = mpira(*folds(folder, *sweep, output="one.h5ad"), code=0)
    assert "ridge.seed0: held-out Pearson" in run.text and "forest.seed1: held-out Pearson" in run.text, run
    data, atlas = read_anndata(folder / "one.h5ad"), read_anndata(folder / "atlas.h5ad")
    assert data.shape == (80, 9) and data.obs["done"].all()
    figures = data.to_df()
    inputs = np.hstack([scaled(atlas), np.ones((len(atlas.obs), 1))])
    inputs[:, list(atlas.var_names).index("other")] = 0
    bound = np.asarray(atlas.obsm["accessibility"])[:, 0]
    chrom, start, end = (atlas.obs[name].to_numpy() for name in ("chrom", "start", "end"))
    block = [f"{c}_block{(a + z) // 2 // 40000}" for c, a, z in zip(chrom, start, end)]
    order = list(dict.fromkeys(data.obs["fold"]))
    for number in range(80):
        rows, predicted, target = held_out(data, number)
        np.testing.assert_array_equal(rows, held_out(data, number % 10)[0])
        check_figures(figures.iloc[number], predicted[:, 0], target[:, 0])
        fold = data.obs["fold"].iloc[number]
        if data.obs["setting"].iloc[number] != "ridge":
            continue
        here = [name for name in order if name.split("_")[0] == fold.split("_")[0]]
        after = here[here.index(fold) + (1 if fold != here[-1] else -1)]  # validates, and is not trained on
        near = lambda name: np.any([(chrom == chrom[i]) & (end > int(name.split("block")[1]) * 40000 - 150)
                                    & (start < (int(name.split("block")[1]) + 1) * 40000 + 150)
                                    for i in [block.index(name)]], axis=0)
        train = ~near(fold) & ~near(after)
        assert train.sum() == data.obs["trained_regions"].iloc[number], (fold, train.sum(), data.obs.iloc[number])
        expected = Ridge(alpha=2).fit(inputs[train], bound[train]).predict(inputs[rows])
        assert np.allclose(predicted[:, 0], expected, rtol=1e-6, atol=1e-6), (fold, after)
        np.testing.assert_allclose(predicted[:, 0], expected, rtol=1e-6, atol=1e-6)
        mine = np.array([name == after for name in block]) & ~near(fold)
        on_validation = np.maximum(Ridge(alpha=2).fit(inputs[train], bound[train]).predict(inputs[mine]), 0)
        np.testing.assert_allclose(figures["validation_loss"].iloc[number],
                                   np.mean(on_validation - bound[mine] * np.log(on_validation + 1e-8)), rtol=1e-5)
    pearson = figures["pearson"].to_numpy().reshape(4, 2, 10).mean(axis=2)
    print("  held-out Pearson, seeds 0 and 1:",
          ", ".join(f"{name} {a:.3f} {b:.3f}" for name, (a, b) in zip(("GET", "ridge", "forest", "svr"), pearson)))
    assert (pearson[1:] > 0.5).all() and pearson[1, 0] == pearson[1, 1] and pearson[2, 0] != pearson[2, 1]
    curves = np.asarray(data.obsm["curves"])
    assert np.isnan(curves[20:]).all() and (data.obs["kept_epoch"][20:] == 0).all() and (data.obs["epochs"][20:] == 0).all()
    assert list(data.uns["weights"]) == ["GET"]
    names = {one.name.split(".")[1] for one in (folder / "one.h5ad.weights").glob("*.safetensors")}
    assert names == {"GET"} and {one.name for one in (folder / "one.h5ad.weights").glob("*.tsv")} == {"GET.seed0.tsv", "GET.seed1.tsv"}
    mpira(*folds(folder, *sweep, output="three.h5ad"), ranks=3, code=0)
    assert_equal_results(folder / "one.h5ad", folder / "three.h5ad")
    page = folder / "report.html"
    mpira("report", folder / "one.h5ad", "--output", page, code=0)
    assert all(name in page.read_text() for name in ("ridge pearson", "forest pearson", "svr pearson"))
    assert "forest: Pearson" in mpira("status", folder / "one.h5ad", code=0).stdout


def groups(folder):
    """Two outputs and two cell types, without networks, by groups of two ranks: the bytes of one rank; no weights. An
    un-bootstrapped tree of a few levels is scikit-learn's."""
    prepare_cells(folder)
    sweep = [*KIND, "--set", "target.cell_type=A,C", "--set", "folds.by=chromosome", "--set", "validation.mode=none",
             *settings(*KINDS, "tree: model.kind=forest baseline.trees=1 baseline.depth=2 baseline.bootstrap=false")]
    mpira(*folds(folder, *sweep, output="one.h5ad"), code=0)
    mpira(*folds(folder, *sweep, "--set", "folds.ranks_per_fold=2", output="two.h5ad"), ranks=4, code=0)
    one, two = read_anndata(folder / "one.h5ad"), read_anndata(folder / "two.h5ad")
    np.testing.assert_array_equal(one.X, two.X)
    np.testing.assert_array_equal(one.obsm["heldout_predicted"], two.obsm["heldout_predicted"])
    assert "weights" not in one.obsm and not (folder / "one.h5ad.weights").exists()
    assert not (folder / "one.h5ad.checkpoints").exists()
    atlas = read_anndata(folder / "cells.h5ad")
    x, y = [], []
    accessibility, expression = np.asarray(atlas.obsm["accessibility"]), np.asarray(atlas.obsm["expression"])
    types, columns = list(atlas.uns["cell_types"]), list(atlas.uns["expression"])
    for name in ("A", "C"):
        value = accessibility[:, types.index(name)].astype(np.float32)
        known = (value > 0) & (atlas.obs["chrom"] != one.obs["fold"].iloc[0]).to_numpy()
        x.append(np.hstack([scaled(atlas, name), np.minimum(value, 1)[:, None]])[known])
        y.append(expression[:, [columns.index(f"{name}.plus"), columns.index(f"{name}.minus")]][known])
    x, y = np.vstack(x), np.vstack(y)
    assert len(x) == one.obs["trained_regions"].iloc[0]
    rows, predicted, target = held_out(one, 9)
    assert one.obs["setting"].iloc[9] == "tree"
    cell_type = np.asarray(one.obsm["heldout_cell_type"])[9][:len(rows)]
    test = np.vstack([np.append(scaled(atlas, types[c])[row], min(1, np.float32(accessibility[row, c])))
                      for row, c in zip(rows, cell_type)])
    for output in range(2):
        expected = DecisionTreeRegressor(max_depth=2).fit(x, y[:, output]).predict(test)
        np.testing.assert_allclose(predicted[:, output], expected, rtol=1e-6, atol=1e-6)
    check_figures(one.to_df().iloc[9], predicted.ravel(), target.ravel())


def search_and_plan(folder):
    """A penalty chosen by validation loss; what a sweep will cost, with nothing written."""
    prepare(folder)
    search = [*BLOCKS, "--set", "folds.only=chr1_block2", *settings("ridge: model.kind=ridge"), "--set", "folds.draws=3",
              "--set", 'folds.ranges=["baseline.alpha: 0.1..1000 log"]']
    mpira(*folds(folder, *search), code=0)
    data = read_anndata(folder / "sweep.h5ad")
    assert len(set(data.obs["baseline.alpha"])) == 3
    assert data.uns["summary"]["best_run"][0] == data.to_df()["validation_loss"].argmin()
    text = mpira("plan", "folds", "--config", folder / "folds.toml", *BLOCKS, *settings("GET", *KINDS), code=0).stdout
    assert "10 folds x 1 seed x 4 settings" in text and "core-hours" in text, text
    text = mpira("plan", "folds", "--config", folder / "folds.toml", *BLOCKS, *settings(*KINDS), "--set",
                 "folds.ranks_per_fold=2", ranks=2, code=0).stdout
    assert "each by 2 ranks" in text, text


def signalled(folder):
    """A signal ends a long fit within seconds, and the sweep is resumed."""
    prepare(folder)
    sweep = [*BLOCKS, *settings("ridge: model.kind=ridge", "slow: model.kind=forest baseline.trees=1000000 baseline.depth=1")]
    running = Running(*folds(folder, *sweep), ranks=2)
    wait_until(lambda: (folder / "sweep.h5ad").exists(), what="the file")
    time.sleep(2)  # the slow ones come first
    begin = time.time()
    running.signal(signal.SIGUSR1)
    result = running.wait(30)
    took, done = time.time() - begin, status(folder / "sweep.h5ad")["done"]
    print(f"  code {result.returncode} {took:.1f} s after SIGUSR1, {done} of 20 runs done")
    assert result.returncode == 3 and took < 20 and done < 20, result  # of them 10 s are mpirun's own
    shorter = [*BLOCKS, *settings("ridge: model.kind=ridge", "slow: model.kind=forest baseline.trees=1000000 baseline.depth=2")]
    assert "folds.settings" in mpira(*folds(folder, *shorter), code=2).text  # the file is of that sweep


WRONG = [
    (settings("A: model.kind=lasso"), ["model.kind", "ridge"]),
    (settings("A: model.kind=ridge baseline.alpha=0"), ["baseline.alpha"]),
    (settings("A: model.kind=forest baseline.depth=0"), ["baseline.depth"]),
    (settings("A: model.kind=svr baseline.c=-1"), ["baseline.c"]),
    (settings("A: model.kind=ridge train.lr=1e-3"), ["folds.settings", "train.lr", "ridge"]),
    (settings("A: model.kind=forest window.regions=3"), ["folds.settings", "window.regions", "forest"]),
    (settings("A: model.kind=svr model.dim=8"), ["folds.settings", "model.dim", "svr"]),
    (settings("A: model.kind=svr baseline.alpha=2"), ["folds.settings", "baseline.alpha", "svr"]),
    (settings("A: baseline.trees=2"), ["folds.settings", "baseline.trees", "get"]),
    ([*settings("A", "B: model.kind=ridge"), "--set", "folds.draws=2", "--set", 'folds.ranges=["train.lr: 1e-4..1e-2 log"]'],
     ["folds.ranges", "train.lr", "ridge"]),
    (settings("A: model.kind=ridge target.kind=masked"), ["model.kind", "masking"]),
    (settings("A: model.kind=ridge init.weights=base.safetensors"), ["init.weights", "ridge"]),
    (settings("A: model.kind=ridge input.cutoffs=0.5"), ["input.cutoffs", "ridge reads no windows"]),
    ([*settings("A: model.kind=forest"), "--set", "lora.rank=4"], ["lora.rank", "forest"]),
]


def wrong_inputs(folder):
    prepare(folder)
    for words, expected in WRONG:
        result = mpira(*folds(folder, *BLOCKS, *words, output="wrong.h5ad"), code=2)
        assert all(word in result.text for word in expected), f"not all of {expected} in\n{result}"
        assert not (folder / "wrong.h5ad").exists(), result
    for ranks in (0, 2):
        result = mpira("train", "--config", folder / "train.toml", "--set", "model.kind=ridge", "--output",
                       folder / "w.safetensors", ranks=ranks, code=2)
        assert "model.kind" in result.text and "mpira folds" in result.text, result
    assert not list(folder.glob("w.*"))
    print(f"  {len(WRONG) + 1} wrong inputs refused by name")


if __name__ == "__main__":
    run_cases([beside_get, groups, search_and_plan, signalled, wrong_inputs])
