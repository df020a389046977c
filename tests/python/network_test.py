"""mpira network against scipy (Spearman, 1e-10), the Python package lingam and a plain DirectLiNGAM on scikit-learn's lasso:
same causal order and edges, coefficients to 1e-6. perf/lingam.py holds times beside the package's. Then the same bytes on 1 to 4
ranks and after kill -9, results of mpira jacobian as input, the default data from sequence to network, and wrong inputs
by name.
"""
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.linear_model import LassoLarsIC, LinearRegression

sys.path.insert(0, str(Path(__file__).parent))
from lingam_package import direct_lingam_class
from mpira_test import assert_equal_results, kill_and_resume, mpira, philox, read_anndata, run_cases

ROOT = Path(__file__).resolve().parent.parent.parent
SPEARMAN, LINGAM = 1e-10, 1e-6  # max|a-b|
VARIABLES, ROWS, SEED, DATA = 20, 900, 5, 6  # DATA: the stream of base/philox.hpp
LN = np.log(2 * np.pi)


def random_problem(seed, variables=VARIABLES, rows=ROWS):
    """A sparse linear causal model with Laplace noise, its columns shuffled; values as float32, as in files."""
    rng = np.random.default_rng(seed)
    is_edge = rng.random((variables, variables)) < 6 / variables
    effects = np.tril(rng.normal(size=is_edge.shape) * is_edge, -1)
    noise = rng.laplace(size=(rows, variables)) * rng.uniform(0.5, 2, variables)
    x = np.linalg.solve(np.eye(variables) - effects, noise.T).T[:, rng.permutation(variables)]
    return x.astype(np.float32)


# ---- DirectLiNGAM once more, after Shimizu et al. 2011 and Hyvarinen and Smith 2013


def entropy(u):
    gauss = (u * np.exp(-(u**2) / 2)).mean()
    return (1 + LN) / 2 - 79.047 * (np.log(np.cosh(u)).mean() - 0.37457) ** 2 - 7.4129 * gauss**2


def scaled(u):
    return (u - u.mean()) / u.std()


def residual(a, b):
    return a - ((a - a.mean()) * (b - b.mean())).mean() / b.var() * b


def direct_lingam(x):
    left, order, z = list(range(x.shape[1])), [], x.astype(np.float64).copy()
    while left:
        penalty = []
        for i in left:
            sum_ = 0.0
            for j in left:
                if i != j:
                    a, b = scaled(z[:, i]), scaled(z[:, j])
                    a_on_b, b_on_a = residual(a, b), residual(b, a)
                    ratio = entropy(b) + entropy(a_on_b / a_on_b.std()) - entropy(a) - entropy(b_on_a / b_on_a.std())
                    sum_ += min(0, ratio) ** 2
            penalty.append(sum_)
        cause = left.pop(int(np.argmin(penalty)))
        order.append(cause)
        for i in left:
            z[:, i] = residual(z[:, i], z[:, cause])
    x = x.astype(np.float64)
    standard = (x - x.mean(0)) / x.std(0)
    effects = np.zeros((x.shape[1],) * 2)
    for k in range(1, len(order)):
        before, target = order[:k], order[k]
        weight = np.abs(LinearRegression().fit(standard[:, before], standard[:, target]).coef_)
        lasso = LassoLarsIC(criterion="bic").fit(standard[:, before] * weight, standard[:, target])
        kept = [b for b, c in zip(before, lasso.coef_ * weight) if abs(c) > 0]
        if kept:
            effects[target, kept] = LinearRegression().fit(x[:, kept], x[:, target]).coef_
    return order, effects


# ---- files


def write_matrix(file, parts, features=None, finished=None, **spoil):
    """As mpira jacobian leaves it: {cell type: (genes, features)}; the accessibility column comes last."""
    import anndata

    x = np.concatenate(list(parts.values()))
    x = np.concatenate([x, np.ones((len(x), 1), np.float32)], axis=1)
    names = features or [f"m{i}" for i in range(x.shape[1] - 1)]
    types = np.repeat(list(parts), [len(part) for part in parts.values()])
    # Two rows of obs for each gene.
    obs = pd.DataFrame({"cell_type": pd.Categorical(np.repeat(types, 2))},
                       index=[f"r{i}" for i in range(2 * len(x))])
    data = anndata.AnnData(np.repeat(x, 2, axis=0), obs=obs, var=pd.DataFrame(index=[*names, "accessibility"]))
    data.uns["gene_by_motif"] = x
    data.uns["gene_first_row"] = 2 * np.arange(len(x))
    data.uns.update(spoil)
    if finished is not None:
        data.uns["mpira"] = {"identity": "{}", "finished": finished}
    data.write_h5ad(file)


def run(folder, files, output, *more, ranks=0, code=0):
    listed = ",".join(str(folder / file) for file in files)
    return mpira("network", "--set", f"matrix.files={listed}", "--set", f"seed={SEED}", *more, "--output",
                 folder / output, ranks=ranks, code=code)


def draws(number):
    block = 0
    while True:
        words = [int(w) for w in philox(np.array([[block, DATA, number, 0]], dtype=np.uint64), (SEED, 0))[0]]
        yield words[0] | words[1] << 32
        yield words[2] | words[3] << 32
        block += 1


def same_network(ours, theirs, what):
    order, effects = theirs
    place = np.argsort(order)
    assert ours[1].tolist() == place.tolist(), f"{what}: another causal order"
    assert ((ours[0] != 0) == (effects != 0)).all(), f"{what}: other edges"
    off = np.abs(ours[0] - effects).max()
    assert off <= LINGAM, f"{what}: {off} apart"
    return off


def equals_scipy_and_lingam(folder):
    worst, package = 0.0, direct_lingam_class()
    for seed in range(3):
        x = random_problem(seed)
        if seed == 2:
            x = np.round(x, 1)  # ties
        write_matrix(folder / "matrix.h5ad", {"A": x[:500], "B": x[500:]})
        bootstraps = 2 if seed == 0 else 0
        run(folder, ["matrix.h5ad"], f"{seed}.h5ad", "--set", f"lingam.bootstraps={bootstraps}", ranks=2)
        result = read_anndata(folder / f"{seed}.h5ad")
        assert list(result.var_names) == [f"m{i}" for i in range(VARIABLES)]  # accessibility is left out
        assert list(result.obs_names)[:4] == ["spearman|A", "spearman|B", "spearman|pooled", "lingam|pooled"]
        networks, order = result.obsm["network"], result.obsm["order"]
        for row, part in enumerate((x[:500], x[500:], x)):
            assert np.abs(networks[row] - spearmanr(part).statistic).max() <= SPEARMAN
            assert (order[row] == -1).all() and result.obs["rows"].iloc[row] == len(part)
        model = package().fit(x.astype(np.float64))
        theirs = [int(k) for k in model.causal_order_], model.adjacency_matrix_
        worst = max(worst, same_network((networks[3], order[3]), theirs, f"problem {seed}, the package lingam"),
                    same_network((networks[3], order[3]), direct_lingam(x), f"problem {seed}"))
        assert np.allclose(result.X[3], np.abs(networks[3]).sum(0))
        assert np.array_equal(result.varp["spearman"], networks[2]) and np.array_equal(result.varp["lingam"], networks[3])
        if not bootstraps:
            assert "lingam_frequency" not in result.varp
            continue
        for b in range(bootstraps):
            source = draws(1 + b)
            drawn = x[[next(source) * ROWS >> 64 for _ in range(ROWS)]]
            same_network((networks[4 + b], order[4 + b]), direct_lingam(drawn), f"bootstrap {b}")
        assert np.array_equal(result.varp["lingam_frequency"], (networks[4:] != 0).mean(0))
        assert np.allclose(result.varp["lingam_mean"], networks[4:].mean(0))
    print(f"3 problems of {VARIABLES} variables x {ROWS} rows, effects at most {worst:.1e} apart")


def samples_and_ranks(folder):
    x = random_problem(7)
    constant = np.zeros((len(x), 1), np.float32)
    rare = constant.copy()
    rare[:2, 0] = (1, 3)
    x = np.concatenate([x[:, :6], constant, rare], axis=1)
    write_matrix(folder / "a.h5ad", {"A": x[:400]})
    write_matrix(folder / "b.h5ad", {"B": x[400:700], "A": x[700:]})
    more = ("--set", "pooled.rows=650", "--set", "lingam.bootstraps=5")
    run(folder, ["a.h5ad", "b.h5ad"], "one.h5ad", *more)
    for ranks in (2, 3, 4):
        run(folder, ["a.h5ad", "b.h5ad"], f"{ranks}.h5ad", *more, ranks=ranks)
        assert_equal_results(folder / "one.h5ad", folder / f"{ranks}.h5ad")
    result = read_anndata(folder / "one.h5ad")
    # The sample: a partial shuffle with the numbered draws, in ascending order.
    source, rows = draws(0), list(range(len(x)))
    for i in range(650):
        j = i + (next(source) * (len(x) - i) >> 64)
        rows[i], rows[j] = rows[j], rows[i]
    sample = x[np.sort(rows[:650])]
    kept = [j for j in range(8) if len(set(sample[:, j])) > 1]
    assert list(result.var_names) == [f"m{j}" for j in kept] and "m6" in list(result.uns["constant_motifs"])
    assert np.abs(result.varp["spearman"] - spearmanr(sample[:, kept]).statistic).max() <= SPEARMAN
    assert result.obs["rows"].tolist() == [600, 300] + [650] * 7
    assert (np.sort(result.obsm["order"][3:], axis=1) == np.arange(len(kept))).all()  # each motif has its place


def same_bytes_after_kills(folder):
    x = random_problem(11, variables=36, rows=2000)
    write_matrix(folder / "matrix.h5ad", {"A": x[:900], "B": x[900:]})
    more = ["--set", "lingam.bootstraps=12", "--set", "commit.units=1", "--set", "commit.seconds=0.01"]
    run(folder, ["matrix.h5ad"], "whole.h5ad", *more)
    words = ["network", "--set", f"matrix.files={folder / 'matrix.h5ad'}", "--set", f"seed={SEED}", *more, "--output",
             folder / "killed.h5ad"]
    counts = kill_and_resume(words, folder / "killed.h5ad", chance=random.Random(4), kills=2, ranks=[1, 2, 3],
                             one_rank=True)
    assert counts, "over before the first kill"
    mpira(*words, ranks=2, code=0)
    assert_equal_results(folder / "whole.h5ad", folder / "killed.h5ad")
    mpira("verify", folder / "killed.h5ad", code=0)
    print(f"units done after each kill: {counts}")


def collinear_in_a_bootstrap(folder):
    """Two rare motifs meet in a row: in some bootstraps nothing else is left of them."""
    x = random_problem(13, variables=5, rows=300)
    rare = np.zeros((len(x), 2), np.float32)
    rare[:2, 0], rare[[0, 2], 1] = (1, 3), (2, 5)
    x = np.concatenate([x, rare], axis=1)
    write_matrix(folder / "matrix.h5ad", {"A": x})
    run(folder, ["matrix.h5ad"], "rare.h5ad", "--set", "lingam.bootstraps=20")
    result = read_anndata(folder / "rare.h5ad")
    assert result.obs["done"].all() and np.isfinite(result.varp["lingam_frequency"]).all()
    collinear = 0
    for b in range(20):
        source = draws(1 + b)
        drawn = x[[next(source) * len(x) >> 64 for _ in range(len(x))]]
        kept = [j for j in range(6) if len(set(drawn[:, j])) > 1]
        is_collinear = 5 in kept and len(set(drawn[:, 6])) > 1 and abs(np.corrcoef(drawn[:, 5], drawn[:, 6])[0, 1]) > 1 - 1e-9
        if len(set(drawn[:, 6])) > 1 and not is_collinear:
            kept.append(6)
        collinear += is_collinear
        if not is_collinear and b > 3:
            continue
        network, order = result.obsm["network"][3 + b], result.obsm["order"][3 + b]
        same_network((network[np.ix_(kept, kept)], order[kept]), direct_lingam(drawn[:, kept]), f"bootstrap {b}")
        gone = [j for j in range(7) if j not in kept]
        assert not network[gone].any() and not network[:, gone].any() and (order[gone] >= len(kept)).all()
    assert collinear, "no bootstrap met it"
    print(f"{collinear} of 20 bootstraps")


def constant_in_one_cell_type(folder):
    x = random_problem(17, variables=6, rows=300)
    x[:120, 2] = 0
    write_matrix(folder / "matrix.h5ad", {"A": x[:120], "B": x[120:]})
    run(folder, ["matrix.h5ad"], "network.h5ad", "--set", "lingam.pooled=false")
    result = read_anndata(folder / "network.h5ad")
    network = result.obsm["network"][0]
    assert np.isnan(network[2]).all() and np.isnan(network[:, 2]).all()  # as scipy has it
    off = np.where(np.eye(6, dtype=bool), 0, np.abs(network))
    np.testing.assert_allclose(result.X[0], np.nansum(off, axis=0), rtol=1e-12)
    assert result.X[0, 2] == 0 and (np.delete(result.X[0], 2) > 0).all()


def a_gene_of_many_rows_is_one(folder):
    """560 rows of one gene among 41: all of these are in the lists of all."""
    import anndata

    names = ["g"] * 560 + [f"g{i}" for i in range(40)]
    obs = pd.DataFrame({"cell_type": pd.Categorical(["A"] * 600), "gene_name": pd.Categorical(names)},
                       index=[f"r{i}" for i in range(600)])
    x = random_problem(3, variables=5, rows=600)
    anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[*"abcd", "accessibility"])).write_h5ad(folder / "matrix.h5ad")
    run(folder, ["matrix.h5ad"], "network.h5ad", "--set", "matrix.values=rows", "--set", "lingam.pooled=false", "--set",
        "top_genes.keep=true", "--set", "top_genes.share=1")
    assert np.asarray(read_anndata(folder / "network.h5ad").obsm["top_genes"])[0].shape == (4, 41)


def same_strand_only(folder, jacobian_test):
    """Of genes read on both strands their own one, unless an output is named; regions need a name."""
    both = '[outputs]\nstrands = "both"\n'
    jacobian_test.run(folder, "both.h5ad", extra=both)
    source, own = read_anndata(folder / "both.h5ad"), read_anndata(folder / "genes.h5ad")
    obs = source.obs.iloc[np.asarray(source.uns["gene_first_row"])]
    x = np.asarray(source.uns["gene_by_motif"])[:, :-1]
    quick = ("--set", "lingam.pooled=false", "--fresh", "--overwrite")
    for output, chosen, theirs in (("own", ((obs["strand"] == "+") == (obs["output"] == "plus")).to_numpy(),
                                    np.asarray(own.uns["gene_by_motif"])[:, :-1]),
                                   ("minus", (obs["output"] == "minus").to_numpy(), None)):
        run(folder, ["both.h5ad"], "network.h5ad", *quick, "--set", f"matrix.output={output}")
        result = read_anndata(folder / "network.h5ad")
        assert 0 < chosen.sum() * 2 == len(chosen) and result.obs["rows"].iloc[-1] == chosen.sum()
        assert np.abs(result.varp["spearman"] - spearmanr(x[chosen]).statistic).max() <= SPEARMAN
        if theirs is not None:
            assert np.abs(result.varp["spearman"] - spearmanr(theirs).statistic).max() <= 1e-3
    refused = run(folder, ["both.h5ad"], "network.h5ad", *quick, "--set", "matrix.output=plsu", code=2)
    assert "did you mean 'plus'" in refused.text, refused
    jacobian_test.run(folder, "outputs.h5ad", genes=False)
    refused = run(folder, ["outputs.h5ad"], "network.h5ad", *quick, "--set", "matrix.values=rows", code=2)
    assert "minus, plus" in refused.text and "matrix.output" in refused.text, refused


def top_places(values, count):
    """Places of the `count` largest values above 0, without a run of equal ones that the last place would cut."""
    order = np.argsort(-values, kind="stable")
    cut = values[order[count]] if count < len(order) else -np.inf
    return [i for i in order[:count] if values[i] > 0 and values[i] != cut]


def check_top_genes(source, result, x):
    """Names of the smaller of 1,000 and 5 % of each cell type's genes; genes have one row a cell type here."""
    rows = source.obs.iloc[np.asarray(source.uns["gene_first_row"])]
    for k, cell_type in enumerate(result.uns["cell_types"]):
        here = np.flatnonzero(rows["cell_type"] == cell_type)
        names = rows["gene_name"].to_numpy()[here]
        assert len(set(names)) == len(names)
        count = max(1, len(names) // 20)
        for j in range(x.shape[1]):
            best = names[top_places(x[here, j], count)]
            ours = result.obsm["top_genes"][k, j]
            assert list(np.asarray(result.uns["genes"])[ours[ours >= 0]]) == list(best)


def results_of_jacobian(folder):
    import jacobian_test

    jacobian_test.prepare(folder)
    jacobian_test.run(folder, "genes.h5ad")
    one_output = '[outputs]\nnames = ["plus"]\n'
    jacobian_test.run(folder, "regions.h5ad", genes=False, extra=one_output)
    for file, values in (("genes.h5ad", "genes"), ("regions.h5ad", "rows")):
        run(folder, [file], "network.h5ad", "--set", f"matrix.values={values}", "--set", "lingam.bootstraps=1",
            "--set", f"top_genes.keep={str(values == 'genes').lower()}", "--fresh", "--overwrite", ranks=2)
        source, result = read_anndata(folder / file), read_anndata(folder / "network.h5ad")
        x = np.asarray(source.uns["gene_by_motif"] if values == "genes" else source.X)[:, :-1]
        assert list(result.var_names) == list(source.var_names[:-1])
        if values == "genes":
            check_top_genes(source, result, x)
        assert np.abs(result.varp["spearman"] - spearmanr(x).statistic).max() <= SPEARMAN
        same_network((result.varp["lingam"], result.obsm["order"][3]), direct_lingam(x), file)
    same_strand_only(folder, jacobian_test)


def the_default_data_end_to_end(folder):
    """Sequence to network: regions of 3 Mb of Drosophila chr2R, a small model trained on them, Jacobians of its regions."""
    data = folder / "data"
    subprocess.run([sys.executable, ROOT / "launch" / "quickstart_data.py", data], check=True, stdout=subprocess.DEVNULL)
    lines = (data / "regions.bed").read_text().splitlines(keepends=True)
    here = [line for line in lines if 5_000_000 <= int(line.split("\t")[1]) < 8_000_000]
    (folder / "regions.bed").write_text("".join(here))
    mpira("features", "--set", f"genome.fasta={data / 'genome.fa'}", "--set", "genome.assembly=dm3",
          "--set", f"regions.bed={folder / 'regions.bed'}", "--set", f"motifs.jaspar={data / 'motifs.sqlite'}",
          "--set", "motifs.tax_group=insects", "--set", f"accessibility.beds=BEAF_Kc={data / 'peaks' / 'BEAF_Kc.bed'}",
          "--output", folder / "atlas.h5ad", ranks=2, code=0)
    (folder / "train.toml").write_text(f"""
atlas = "{folder / 'atlas.h5ad'}"
target = {{ kind = "accessibility", cell_type = "BEAF_Kc" }}
holdout.regions = ["chr2R:5000000-5500000"]
window.regions = 12
model = {{ dim = 16, depth = 1, heads = 2 }}
train = {{ epochs = 2, batch = 32, lr = 5e-3 }}
""")
    mpira("train", "--config", folder / "train.toml", "--output", folder / "w.safetensors", code=0)
    mpira("jacobian", "--set", f"atlas.file={folder / 'atlas.h5ad'}", "--set", f"model.weights={folder / 'w.safetensors'}",
          "--set", "model.micro_batch=16", "--set", "units.rows=64", "--output", folder / "jacobian.h5ad", ranks=2, code=0)
    atlas, jacobian = read_anndata(folder / "atlas.h5ad"), read_anndata(folder / "jacobian.h5ad")
    assert jacobian.shape == (len(here), 287) and np.isfinite(jacobian.X).all() and jacobian.obs["done"].all()
    bound = np.asarray(atlas.obsm["accessibility"])[:, 0]
    assert np.array_equal(jacobian.obs["observed"], bound[jacobian.obs["atlas_row"]]) and set(bound) == {0, 1}

    x = np.asarray(jacobian.X)[:, :-1]
    kept = np.sort(np.argsort(-(x != 0).mean(0), kind="stable")[:40])  # LiNGAM is cubic in motifs
    names = list(jacobian.var_names)
    dropped = ["accessibility", *(name for name in names[:-1] if names.index(name) not in set(kept))]
    run(folder, ["jacobian.h5ad"], "network.h5ad", "--set", "matrix.values=rows", "--set", f"matrix.drop={','.join(dropped)}",
        "--set", "lingam.bootstraps=2", ranks=2)
    result, x = read_anndata(folder / "network.h5ad"), x[:, kept]
    assert list(result.var_names) == [names[j] for j in kept] and result.obs["done"].all()
    assert list(result.obs_names)[:3] == ["spearman|BEAF_Kc", "spearman|pooled", "lingam|pooled"] and result.n_obs == 5
    assert np.abs(result.varp["spearman"] - spearmanr(x).statistic).max() <= SPEARMAN
    same_network((result.varp["lingam"], result.obsm["order"][2]), direct_lingam(x), "the default data")
    assert (result.varp["lingam"] != 0).sum() >= 40 and set(np.unique(result.varp["lingam_frequency"])) <= {0, 0.5, 1}
    print(f"{len(here)} regions, {len(kept)} motifs, {(result.varp['lingam'] != 0).sum()} edges")


def wrong_inputs(folder):
    x = random_problem(1)[:200]
    write_matrix(folder / "good.h5ad", {"A": x})
    write_matrix(folder / "other.h5ad", {"A": x}, features=[f"x{i}" for i in range(VARIABLES)])
    write_matrix(folder / "unfinished.h5ad", {"A": x}, finished=False)
    write_matrix(folder / "nan.h5ad", {"A": np.where(x == x[3, 2], np.nan, x).astype(np.float32)})
    write_matrix(folder / "few.h5ad", {"A": x[:21]})
    write_matrix(folder / "twice.h5ad", {"A": np.concatenate([x, 2 * x[:, 4:5]], axis=1)})
    write_matrix(folder / "constant.h5ad", {"A": np.ones((9, 3), np.float32)})
    write_matrix(folder / "short.h5ad", {"A": x}, gene_first_row=np.arange(3))
    shutil.copy(folder / "good.h5ad", folder / "copy.h5ad")
    cases = [(["good.h5ad", "copy.h5ad"], [], ["good.h5ad", "copy.h5ad", "twice"]), (["none.h5ad"], [], ["none.h5ad"]), (["good.h5ad", "other.h5ad"], [], ["other.h5ad", "other features"]),
             (["unfinished.h5ad"], [], ["unfinished.h5ad", "not finished"]),
             (["nan.h5ad"], [], ["nan.h5ad", "row 3", "'m2'"]), (["few.h5ad"], [], ["lingam.pooled", "21 rows"]),
             (["constant.h5ad"], [], ["3 of 3 motifs"]), (["short.h5ad"], [], ["short.h5ad", "gene_first_row"]),
             # The same information twice: said at the start, not in the unit that meets it.
             (["twice.h5ad"], [], ["'m4'", "'m20'", "multiples", "matrix.drop"]),
             (["good.h5ad"], ["matrix.output=plus"], ["good.h5ad", "obs/output is missing"]),
             (["good.h5ad"], ["matrix.drop=m77"], ["matrix.drop", "'m77'"]),
             (["good.h5ad"], ["matrix.values=columns"], ["matrix.values", "columns"]),
             (["good.h5ad"], ["top_genes.keep=true"], ["good.h5ad", "obs/gene_name is missing", "rows are genes"]),
             (["good.h5ad"], ["spearman.pooled=false", "spearman.by_cell_type=false", "lingam.pooled=false"],
              ["no network is left"])]
    for files, overrides, fragments in cases:
        more = [word for override in overrides for word in ("--set", override)]
        result = run(folder, files, "never.h5ad", *more, code=2)
        for fragment in fragments:
            assert fragment in result.stderr, f"{files}: {fragment!r} is not in {result}"
    assert not (folder / "never.h5ad").exists()

if __name__ == "__main__":
    run_cases([equals_scipy_and_lingam, samples_and_ranks, collinear_in_a_bootstrap, constant_in_one_cell_type,
               a_gene_of_many_rows_is_one, same_bytes_after_kills, results_of_jacobian, the_default_data_end_to_end, wrong_inputs])
