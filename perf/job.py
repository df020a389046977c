#!/usr/bin/env python3
"""What the job around the network costs: windows/s of `mpira lentimpra` beside bare loops of the forward, interleaved.

    launch/quickstart && launch/paper && launch/build release --target perf_programs
    .deps/venv/bin/python perf/job.py [--rounds 5] [--elements 4] [--insertions 40] [--weights FILE] [--json FILE]

The 768 x 12 network on windows of 200 regions of the default atlas, no controls, one thread a rank. A round is: the bare
loop of the unshortened forward, the job on one rank without and with the exact shortcuts, two independent bare loops at
once, the job on two ranks. The job is timed from its first claim to its last commit; commits are at the real row size.
Two ranks count only in rounds where the two loops together reached 1.9 of one: else the machine had no two cores to give.
"""
import re
import sys
import tempfile
from pathlib import Path

from interleaved import ROOT, arguments, finished, keep, load_average, spread, start, told

CAMPAIGN = re.compile(r"campaign: ([\d.]+) s from the first claim to the last commit, ([\d.]+) s in commits")


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.elements = folder / "elements.bed"
        tiles = (ROOT / "runs/paper/tiles.bed").read_text().splitlines()
        step = len(tiles) // (2 * options.elements)
        self.bed = [tiles[i * step] for i in range(2 * options.elements)]

    def bare(self, at_once=1):
        """Windows/s of `at_once` loops together."""
        loops = [start(self.options.build / "perf/bare", self.options.weights, self.options.bare_s)
                 for _ in range(at_once)]
        results = [told(text) for text, _ in finished(*loops)]
        return sum(result["windows"] / result["wall_s"] for result in results)

    def job(self, ranks, shortcuts):
        """Windows/s of the campaign, and the share of its time that a rank's commits took."""
        elements = self.options.elements * ranks
        self.elements.write_text("\n".join(self.bed[:elements]) + "\n")
        output = self.folder / "screen.h5ad"
        output.unlink(missing_ok=True)
        command = ["mpirun", "-n", ranks, self.options.build / "bin/mpira", "lentimpra", "--verbose",
                   "--config", ROOT / "config/paper.toml", "--output", output,
                   "--set", f"elements.bed={self.elements}", "--set", f"sites.insertions={self.options.insertions}",
                   "--set", f"model.weights={self.options.weights}", "--set", "controls.uninserted=false",
                   "--set", "controls.shuffles=0", "--set", f"model.shortcuts={str(shortcuts).lower()}"]
        text = "".join(finished(start(*command, cwd=ROOT))[0])
        campaign = CAMPAIGN.search(text)
        if not campaign:
            sys.exit(f"{' '.join(map(str, command))}: no time of the campaign in\n{text}")
        seconds, commit_s = map(float, campaign.groups())
        return elements * self.options.insertions / seconds, commit_s / seconds


def main():
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--elements", type=int, default=4, help="units a rank")
    parser.add_argument("--insertions", type=int, default=40)
    parser.add_argument("--bare-s", type=float, default=30, help="seconds of a bare loop")
    parser.add_argument("--weights", type=Path, default=ROOT / "runs/paper/untrained.safetensors")
    options = parser.parse_args()
    ratios = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        bench.bare()  # warms up
        for number in range(options.rounds):
            bare, (off, commit_off), (on, commit_on) = bench.bare(), bench.job(1, False), bench.job(1, True)
            loops, (two, commit_two) = bench.bare(2), bench.job(2, True)
            row = {"job, shortcuts off / bare loop": off / bare, "job, shortcuts on / bare loop": on / bare,
                   "commits, share of the campaign": max(commit_off, commit_on, commit_two),
                   "two bare loops / one": loops / bare, "job on two ranks / one": two / on}
            for name, value in row.items():
                ratios.setdefault(name, []).append(value)
            print(f"round {number + 1}: bare {bare:.3f} windows/s, "
                  + ", ".join(f"{name} {value:.4f}" for name, value in row.items()), flush=True)
    fit = [i for i, ratio in enumerate(ratios["two bare loops / one"]) if ratio >= 1.9]
    print(f"{options.rounds} rounds, {load_average()}\n| figure | median | range |\n|---|---|---|")
    for name, values in ratios.items():
        print(f"| {name} | {' | '.join(spread(values, 4))} |")
    name = "job on two ranks / one"
    if fit:
        values = [ratios[name][i] for i in fit]
        print(f"| {name}, in the {len(fit)} rounds with two whole cores | {' | '.join(spread(values, 4))} |")
    else:
        print(f"{name}: not judged, two bare loops never reached 1.9 of one")
    keep(options.json, rounds=ratios)


if __name__ == "__main__":
    main()
