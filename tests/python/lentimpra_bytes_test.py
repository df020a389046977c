"""The lentiMPRA screen leaves the same bytes on 1 to 4 ranks, and after kill -9 of the whole job with resumes on others."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import (Running, assert_equal_results, done_units, mpira, option, read_anndata, run_cases, wait_until)
from toy import make_inputs, screen_toml, write_fasta, write_weights, random_sequence

import numpy as np

ELEMENTS = option("elements", 60)
KILLS = option("kills", 4)


def prepare(folder):
    make_inputs(folder)
    atlas = read_anndata(folder / "atlas.h5ad")
    write_weights(folder / "expression.safetensors", atlas, "expression", 1, [["chr2", 2000, 3000]])
    rng = np.random.default_rng(3)
    write_fasta(folder / "elements.fa", [(f"e{i}", random_sequence(rng, 70)) for i in range(ELEMENTS)])
    settings = "[sites]\ninsertions = 60\n[controls]\nshuffles = 2\n[results]\nraw = \"f16\"\n[commit]\nunits = 2\n"
    (folder / "screen.toml").write_text(screen_toml(folder, folder / "one.h5ad", settings))


def run(folder, output, ranks, code=0):
    return mpira("lentimpra", "--config", folder / "screen.toml", "--output", folder / output, ranks=ranks, code=code)


def same_bytes_on_any_rank_count(folder):
    prepare(folder)
    run(folder, "one.h5ad", 0)
    for ranks in (2, 3, 4):
        run(folder, f"{ranks}.h5ad", ranks)
        assert_equal_results(folder / "one.h5ad", folder / f"{ranks}.h5ad")


def same_bytes_after_kills(folder):
    prepare(folder)
    run(folder, "one.h5ad", 0)
    chance = random.Random(1)
    killed = folder / "killed.h5ad"
    committed, kills = set(), 0
    while kills < KILLS:
        ranks = chance.choice([1, 2, 3, 4])
        running = Running("lentimpra", "--config", folder / "screen.toml", "--output", killed, ranks=ranks)
        goal = len(committed) + chance.randint(1, max(1, ELEMENTS // (2 * KILLS)))
        wait_until(lambda: len(done_units(killed)) >= goal or running.process.poll() is not None, what="commits")
        if running.process.poll() is not None:
            running.wait()
            break
        running.kill_all()
        running.wait()
        kills += 1
        now = done_units(killed)
        assert now >= committed, f"committed units were lost: {sorted(committed - now)}"
        committed = now
        half_done = read_anndata(killed)
        assert half_done.obs["done"].sum() == len(now)
    assert kills > 0, "the screen was over before the first kill"
    run(folder, "killed.h5ad", 2)
    assert_equal_results(folder / "one.h5ad", killed)
    print(f"{kills} kills, {len(committed)} of {ELEMENTS} elements committed before the last resume")


if __name__ == "__main__":
    run_cases([same_bytes_on_any_rank_count, same_bytes_after_kills])
