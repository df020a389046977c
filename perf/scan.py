"""Our scanner beside MOODS-python on one core: 286 JASPAR insect motifs, both strands, the same integer log-odds and
thresholds, 5 Mb of chr2R. Interleaved rounds in one run, CPU seconds, medians.

    .deps/venv/bin/python perf/scan.py [--build build/release] [--rounds 5] [--kernel automatic|avx2|portable]
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import MOODS.scan
import MOODS.tools
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = ROOT / ".deps" / "data"
CHR2R = DATA / "debian/usr/share/doc/augustus/tutorial/data/chr2R.fa"
JASPAR = DATA / "python/pyjaspar/data/JASPAR2024.sqlite"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernel", default="automatic")
    parser.add_argument("--start", type=int, default=5_000_000)
    parser.add_argument("--length", type=int, default=5_000_000)
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

        rows = []
        for round_ in range(args.rounds + 1):  # the first warms up
            ours.stdin.write("go\n")
            hits_s, features_s, count = ours.stdout.readline().split()
            start = time.process_time()
            found = moods.scan(sequence)
            moods_s = time.process_time() - start
            assert sum(map(len, found)) == int(count), "the two found different numbers of hits"
            if round_ > 0:
                rows.append((float(hits_s), float(features_s), moods_s))
        ours.stdin.close()
        ours.wait()
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
    print(f"all of chr2R: hits {tiles[0]} s; features of {int(tiles[2]):,} tiles of 500 bp every 105 bp {tiles[1]} s, "
          f"{float(tiles[1]) / float(tiles[0]):.2f} of one pass")  # fmt: skip


if __name__ == "__main__":
    main()
