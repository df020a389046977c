"""Ridge, forest and SVR of mpira beside scikit-learn's, on rows with as many zeros as motif features have, two outputs.

usage: estimator_parity.py MODEL_ESTIMATOR_DUMP

Ridge and a single tree of all rows, down to nodes of few rows, are the same functions (1e-6). SVR, converged, has one solution
(1e-4 of the targets' sd); at 1,000 iterations both are on their way (0.02 sd). A forest depends on its draws: its held-out r,
mean over seeds, is scikit-learn's within 0.01.
"""
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.svm import LinearSVR
from sklearn.tree import DecisionTreeRegressor

ROWS, TEST, COLUMNS = 1200, 600, 40
SEEDS = range(12)


def make_rows(folder):
    draw = np.random.default_rng(4)
    x = draw.random((ROWS + TEST, COLUMNS)) * (draw.random((ROWS + TEST, COLUMNS)) < 0.5)
    x[:, -1] = 1  # as the accessibility column
    x = np.minimum(x * 1.2, 1).astype(np.float32)
    slope = draw.normal(size=(COLUMNS, 2)) * (draw.random((COLUMNS, 2)) < 0.4)
    y = x @ slope + 2 * x[:, :2] * x[:, 2:4] + draw.normal(size=(ROWS + TEST, 2)) * 0.5
    y = y.astype(np.float32)
    for name, values in (("x", x[:ROWS]), ("y", y[:ROWS]), ("test", x[ROWS:])):
        values.tofile(folder / f"{name}.f32")
    (folder / "shape.txt").write_text(f"{COLUMNS} 2\n")
    return x[:ROWS].astype(np.float64), y[:ROWS].astype(np.float64), x[ROWS:].astype(np.float64), y[ROWS:]


def correlation(a, b):
    return np.mean([np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(2)])


def main(program):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        x, y, test, wanted = make_rows(folder)

        def ours(*words):
            said = subprocess.run([program, folder, "out", *map(str, words)], check=True, capture_output=True, text=True).stdout
            return np.fromfile(folder / "out.f32", np.float32).reshape(TEST, 2), said.strip()

        for alpha in (1, 100):
            found, expected = ours("ridge", alpha)[0], Ridge(alpha=alpha).fit(x, y).predict(test)
            apart = np.abs(found - expected).max() / np.abs(expected).max()
            print(f"ridge, alpha {alpha}: at most {apart:.1e} apart, relative")
            assert apart < 1e-6, apart

        # In small nodes several columns part the rows alike, and scikit-learn takes one of them by chance: where that happens,
        # its trees of two seeds differ as well.
        def tree(depth, seed):
            return MultiOutputRegressor(DecisionTreeRegressor(max_depth=depth, random_state=seed)).fit(x, y).predict(test)

        same = lambda a, b: np.isclose(a, b, rtol=1e-6, atol=1e-6).mean()
        for depth in (2, 4, 10):
            found, expected, other = ours("forest", 1, depth, 0, 0)[0], tree(depth, 0), tree(depth, 1)
            print(f"one tree, depth {depth}: {same(found, expected):.2%} of predictions equal to 1e-6; two of scikit-learn's: "
                  f"{same(expected, other):.2%}")
            assert same(found, expected) >= same(expected, other) - 0.05 and (depth > 4 or same(found, expected) == 1)

        for c, tolerance in ((0.003, 1e-8), (1, 1e-4)):
            found, said = ours("svr", 0.2, c, tolerance, 0)
            model = lambda seed: LinearSVR(epsilon=0.2, C=c, tol=tolerance, max_iter=1000, dual=True, random_state=seed)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                expected = MultiOutputRegressor(model(0)).fit(x, y).predict(test)
            unfinished = any(issubclass(one.category, ConvergenceWarning) for one in caught)
            apart = np.abs(found - expected).max() / wanted.std()
            print(f"SVR, C {c}, tolerance {tolerance}: at most {apart:.1e} of the targets' sd apart, r {correlation(found, expected):.6f}; "
                  f"scikit-learn {'not ' if unfinished else ''}converged, liblinear: {said or 'converged'}")
            assert unfinished == bool(said) == (c == 1), (unfinished, said)
            assert correlation(found, expected) > 0.999
            assert apart < (0.02 if unfinished else 1e-4), apart

        mine = np.array([correlation(ours("forest", 10, 10, 1, seed)[0], wanted) for seed in SEEDS])
        theirs = np.array([correlation(MultiOutputRegressor(RandomForestRegressor(n_estimators=10, max_depth=10, random_state=seed))
                                       .fit(x, y).predict(test), wanted) for seed in SEEDS])
        error = np.sqrt((mine.var(ddof=1) + theirs.var(ddof=1)) / len(SEEDS))
        print(f"forest of 10, depth 10: held-out r {mine.mean():.4f} (sd {mine.std(ddof=1):.4f}), scikit-learn {theirs.mean():.4f} "
              f"(sd {theirs.std(ddof=1):.4f}); difference {mine.mean() - theirs.mean():+.4f}, standard error {error:.4f}")
        assert abs(mine.mean() - theirs.mean()) < 0.01


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
