"""The scanner beside MOODS-python on real sequence: given the same log-odds matrices and thresholds, the same hits
(positions exactly, scores to 1e-6 bits). Thresholds beside NumPy's exact ones and MOODS's own."""

import json
import os
import pathlib
import subprocess

import MOODS.scan
import MOODS.tools
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ["MPIRA_BUILD"]) / "tests" / "scan_probe"
DATA = ROOT / ".deps" / "data"
CHR2R = DATA / "debian/usr/share/doc/augustus/tutorial/data/chr2R.fa"
JASPAR = DATA / "python/pyjaspar/data/JASPAR2024.sqlite"
START, END = 7_000_000, 7_300_000


def probe(*args):
    return subprocess.run([PROBE, *map(str, args)], check=True, capture_output=True, text=True).stdout


def read_sequence(fasta, start, end):
    """Independent of our reader: the file is one sequence."""
    lines = pathlib.Path(fasta).read_text().splitlines()
    assert lines[0] == ">chr2R" and not any(line.startswith(">") for line in lines[1:])
    return "".join(lines[1:])[start:end].upper()


def moods_hits(matrices, thresholds, background, sequence):
    """(motif, position, strand, score) of both strands, sorted; matrices (4, width) in thousandths of a bit."""
    both = matrices + [MOODS.tools.reverse_complement(m) for m in matrices]
    scanner = MOODS.scan.Scanner(7)
    scanner.set_motifs(both, background, thresholds + thresholds)
    hits = []
    for lane, found in enumerate(scanner.scan(sequence)):
        motif, strand = lane % len(matrices), "+" if lane < len(matrices) else "-"
        hits += [(motif, hit.pos, strand, hit.score) for hit in found]
    return sorted(hits)


def our_hits(start, end, kernel):
    rows = [line.split("\t") for line in probe("hits", FASTA, JASPAR, "chr2R", start, end, kernel).splitlines()]
    return [(int(motif), int(position), strand, int(score)) for motif, position, strand, score in rows]


def check_hits(model, sequence):
    matrices = [np.array(m["matrix"], dtype=float).reshape(-1, 4).T.tolist() for m in model["motifs"]]
    thresholds = [float(m["threshold"]) for m in model["motifs"]]
    theirs = moods_hits(matrices, thresholds, model["background"], sequence)
    ours = our_hits(START, END, "automatic")
    assert len(theirs) > 20_000, f"only {len(theirs)} hits: too few to say anything"
    assert [hit[:3] for hit in ours] == [hit[:3] for hit in theirs], "positions differ"
    worst = max(abs(a[3] - b[3]) / 1000 for a, b in zip(ours, theirs))
    assert worst <= 1e-6, f"scores differ by {worst} bits"
    print(f"{len(ours)} hits on both strands of {END - START} bp equal MOODS's; scores within {worst:g} bits")


def check_best(model, sequence):
    """The best score of every motif, by NumPy: every word of every strand, no threshold."""
    start, length = 120_000, 400
    codes = np.array(["ACGT".index(base) for base in sequence[start : start + length]])
    ours = probe("best", FASTA, JASPAR, "chr2R", START + start, START + start + length).split()
    for motif, best in zip(model["motifs"], ours, strict=True):
        matrix = np.array(motif["matrix"]).reshape(-1, 4)
        width = len(matrix)
        words = np.lib.stride_tricks.sliding_window_view(codes, width)
        scores = [m[np.arange(width), words].sum(axis=1).max() for m in (matrix, matrix[::-1, ::-1])]
        assert max(scores) == int(best), f"{motif['id']}: {best}, NumPy {max(scores)}"
    print(f"best scores of {len(ours)} motifs equal NumPy's")


def score_distribution(matrix, background):
    """(lowest score, probability of lowest + k) of a random word, exact integer scores."""
    distribution, lowest = np.ones(1), 0
    for column in matrix:
        longer = np.zeros(len(distribution) + column.max() - column.min())
        for score, p in zip(column, background):
            at = score - column.min()
            longer[at : at + len(distribution)] += p * distribution
        distribution, lowest = longer, lowest + column.min()
    return lowest, distribution


def check_thresholds(model):
    """Ours equal NumPy's from the exact distribution; printed: how far MOODS's (scores in 2,000 steps) are off.

    MOODS returns a number between scores that words have, so it is first raised to the next such score.
    """
    differences, unreachable = [], 0
    for motif in model["motifs"]:
        matrix = np.array(motif["matrix"]).reshape(-1, 4)
        lowest, distribution = score_distribution(matrix, model["background"])
        possible = np.flatnonzero(distribution)
        rare = possible[np.cumsum(distribution[::-1])[::-1][possible] <= model["p_value"]]
        unreachable += len(rare) == 0
        expected = lowest + (rare[0] if len(rare) else possible[-1])  # else: the best word
        assert motif["threshold"] == expected, f"{motif['id']}: {motif['threshold']}, NumPy {expected}"
        theirs = MOODS.tools.threshold_from_p((matrix.T / 1000).tolist(), model["background"], model["p_value"])
        above = possible[(lowest + possible) / 1000 >= theirs - 1e-9]
        if len(rare) and len(above):
            differences.append((motif["threshold"] - lowest - above[0]) / 1000)
    d = np.array(differences)
    print(
        f"thresholds of {len(model['motifs'])} motifs equal NumPy's, {unreachable} by the best-word rule; minus "
        f"MOODS.tools.threshold_from_p, bits, {len(d)} motifs: equal in {(d == 0).sum()}, "
        f"mean {d.mean():+.4f}, min {d.min():+.4f}, max {d.max():+.4f}"
    )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        FASTA = pathlib.Path(folder) / "chr2R.fa"  # a link, so that the index isn't written into the data
        FASTA.symlink_to(CHR2R)
        MODEL = json.loads(probe("model", FASTA, JASPAR))
        SEQUENCE = read_sequence(CHR2R, START, END)
        assert len(MODEL["motifs"]) == 286
        check_hits(MODEL, SEQUENCE)
        check_best(MODEL, SEQUENCE)
        check_thresholds(MODEL)
