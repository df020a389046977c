"""DirectLiNGAM: ours beside the Python package lingam on one core, CPU seconds; asserts that both find the same.

    .deps/venv/bin/python perf/lingam.py [VARIABLES ROWS] [--ours-only]

Three problems of 20 variables x 2,000 rows first: the same causal order, effects to 1e-6.
"""
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/python"))
from lingam_package import direct_lingam_class

PROGRAM = Path(os.environ.get("MPIRA_BUILD", "build/release")) / "perf/lingam"


def problem(seed, variables, rows):
    rng = np.random.default_rng(seed)
    effects = np.tril(rng.normal(size=(variables, variables)) * (rng.random((variables, variables)) < 6 / variables), -1)
    noise = rng.laplace(size=(rows, variables)) * rng.uniform(0.5, 2, variables)
    return np.linalg.solve(np.eye(variables) - effects, noise.T).T[:, rng.permutation(variables)]


def ours(x):
    rows, variables = x.shape
    done = subprocess.run([PROGRAM], input=np.array([rows, variables]).tobytes() + x.tobytes(order="F"),
                          capture_output=True, check=True)
    values = np.frombuffer(done.stdout)
    return float(done.stderr), values[:variables].astype(int), values[variables:].reshape((variables,) * 2, order="F")


def compare(method, x):
    seconds, order, effects = ours(x)
    model, begin = method(), time.process_time()
    model.fit(x)
    theirs = time.process_time() - begin
    assert order.tolist() == [int(k) for k in model.causal_order_], "another causal order"
    off = np.abs(effects - model.adjacency_matrix_).max()
    assert off <= 1e-6, f"effects {off} apart"
    print(f"{x.shape[1]} variables x {x.shape[0]} rows: {seconds:.3f} CPU s, lingam {theirs:.1f}: {theirs / seconds:.0f} "
          f"times; effects {off:.1e} apart", flush=True)


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    variables, rows = (int(word) for word in words) if len(words) == 2 else (60, 5000)
    if "--ours-only" in sys.argv:
        seconds, *_ = ours(problem(9, variables, rows))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{variables} variables x {rows} rows: {seconds:.1f} CPU s, at most {peak:.0f} MiB")
        return
    method = direct_lingam_class()
    for seed in range(3):
        compare(method, problem(seed, 20, 2000))
    compare(method, problem(9, variables, rows))


if __name__ == "__main__":
    main()
