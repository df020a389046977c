"""Our scanner beside MOODS-python on one core: 286 JASPAR insect motifs, both strands, the same integer log-odds and
thresholds, 5 Mb of chr2R. Interleaved rounds in one run, CPU seconds, medians.

    .deps/venv/bin/python perf/scan.py [--build build/release] [--rounds 5] [--kernel automatic|avx2|portable] [--peers FOLDER]

With --peers, where `pip install --target FOLDER memelite` put it (it brings numba, too much for the tests), also memelite's
FIMO: the same probabilities at p = 1e-4 on the first fifth of the bases, per base. Its scores are rounded otherwise and
compared with an even background, so that its hits are others; what is asked of both is the same.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT / ".deps" / "data"
CHR2R = DATA / "debian/usr/share/doc/augustus/tutorial/data/chr2R.fa"
JASPAR = DATA / "python/pyjaspar/data/JASPAR2024.sqlite"


SHARE = 5  # of the bases that memelite gets, one in so many


def memelite_worker(file):
    """A scan for each line of the input; in a process of its own, since it needs another NumPy than the tests."""
    from memelite import fimo

    data = np.load(file)
    motifs = {name: data[name] for name in data.files if name != "sequence"}
    for _ in sys.stdin:
        start = time.process_time()
        found = fimo(motifs, data["sequence"], threshold=1e-4)
        print(time.process_time() - start, sum(map(len, found)), flush=True)


def start_memelite(peers, folder, model, sequence):
    background = np.array(model["background"])
    arrays = {f"m{i}": (background * 2 ** (np.array(m["matrix"], dtype=float).reshape(-1, 4) / 1000)).T
              for i, m in enumerate(model["motifs"])}
    arrays = {name: matrix / matrix.sum(axis=0) for name, matrix in arrays.items()}
    codes = np.frombuffer(sequence.encode(), np.uint8)
    one_hot = np.stack([codes == ord(base) for base in "ACGT"]).astype(np.int8)[None]
    file = pathlib.Path(folder) / "memelite.npz"
    np.savez(file, sequence=one_hot, **arrays)
    return subprocess.Popen([sys.executable, __file__, "--memelite-worker", file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True, bufsize=1, env=os.environ | {"PYTHONPATH": str(peers), "NUMBA_NUM_THREADS": "1",
                                                                    "OMP_NUM_THREADS": "1"})


def main():
    import MOODS.scan
    import MOODS.tools

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernel", default="automatic")
    parser.add_argument("--start", type=int, default=5_000_000)
    parser.add_argument("--length", type=int, default=5_000_000)
    parser.add_argument("--peers", type=pathlib.Path)
    args = parser.parse_args()
    probe = ROOT / args.build / "tests" / "scan_probe"

    with tempfile.TemporaryDirectory() as folder:
        fasta = pathlib.Path(folder) / "chr2R.fa"
        fasta.symlink_to(CHR2R)
        model = json.loads(subprocess.run([probe, "model", fasta, JASPAR], check=True, capture_output=True).stdout)
        matrices = [np.array(m["matrix"], dtype=float).reshape(-1, 4).T.tolist() for m in model["motifs"]]
        thresholds = [float(m["threshold"]) for m in model["motifs"]]
        moods = MOODS.scan.Scanner(7)
        moods.set_motifs(
            matrices + [MOODS.tools.reverse_complement(m) for m in matrices],
            model["background"],
            thresholds + thresholds,
        )
        text = "".join(CHR2R.read_text().splitlines()[1:]).upper()
        sequence = text[args.start : args.start + args.length]
        ours = subprocess.Popen(
            [probe, "time", fasta, JASPAR, "chr2R", str(args.start), str(args.start + args.length), args.kernel],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        memelite = start_memelite(args.peers, folder, model, sequence[: args.length // SHARE]) if args.peers else None

        rows, memelite_rows = [], []
        for round_ in range(args.rounds + 1):  # the first warms up
            ours.stdin.write("go\n")
            hits_s, features_s, count = ours.stdout.readline().split()
            start = time.process_time()
            found = moods.scan(sequence)
            moods_s = time.process_time() - start
            assert sum(map(len, found)) == int(count), "the two found different numbers of hits"
            if memelite:
                memelite.stdin.write("go\n")
                memelite_rows.append([float(value) for value in memelite.stdout.readline().split()])
            if round_ > 0:
                rows.append((float(hits_s), float(features_s), moods_s))
        for worker in filter(None, (ours, memelite)):
            worker.stdin.close()
            worker.wait()
        tiles = subprocess.run(
            [probe, "tiles", fasta, JASPAR, "chr2R", "0", str(len(text)), "500", "105"],
            check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip

    hits_s, features_s, moods_s = (statistics.median(column) for column in zip(*rows))
    print(f"{args.length:,} bp x {len(matrices)} motifs x 2 strands, {count} hits, kernel {args.kernel}, "
          f"CPU s, median of {args.rounds} interleaved rounds")  # fmt: skip
    print(f"MOODS-python scan   {moods_s:.3f}")
    print(f"mpira hits          {hits_s:.3f}   MOODS / ours {moods_s / hits_s:.2f}")
    print(f"mpira features      {features_s:.3f}   MOODS / ours {moods_s / features_s:.2f}")
    if memelite:
        each = [seconds * SHARE / row[0] for (seconds, _), row in zip(memelite_rows[1:], rows)]
        print(f"memelite FIMO       {statistics.median(seconds for seconds, _ in memelite_rows[1:]):.3f} for a {SHARE}th, "
              f"{memelite_rows[-1][1]:.0f} hits   memelite / ours, per base {statistics.median(each):.2f} "
              f"({min(each):.2f} to {max(each):.2f})")  # fmt: skip
    print(f"all of chr2R: hits {tiles[0]} s; features of {int(tiles[2]):,} tiles of 500 bp every 105 bp {tiles[1]} s, "
          f"{float(tiles[1]) / float(tiles[0]):.2f} of one pass")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memelite-worker"]:
        memelite_worker(sys.argv[2])
    else:
        main()
