"""`mpira train` from settings to files, on a small genome with a planted motif: what it leaves, stopping and going on,
kill -9, other rank counts, finished output, and wrong inputs by name."""

import gzip
import json
import os
import random
import re
import signal
import tempfile
from pathlib import Path

import numpy as np
from safetensors import safe_open

from mpira_test import Running, mpira, status, wait_until

MOTIFS = {"boundA": "TGACTCAGG", "boundB": "CCACGTGAT", "other": "GGGCGGATC"}
CHROMS = {"chr1": 200_000, "chr2": 120_000, "chr3": 80_000}
STEP, WIDTH = 1000, 300


def make_data(folder):
    """Regions every kilobase; a peak where motif boundA was planted and boundB was not."""
    draw = random.Random(1)
    genome, regions, peaks = [], [], []
    for chrom, length in CHROMS.items():
        bases = [draw.choice("ACGT") for _ in range(length)]
        for start in range(STEP, length - STEP, STEP):
            planted = {name for name in MOTIFS if draw.random() < 0.35}
            for slot, name in enumerate(sorted(planted)):
                at = start + 100 + 30 * slot
                bases[at:at + len(MOTIFS[name])] = MOTIFS[name]
            regions.append(f"{chrom}\t{start}\t{start + WIDTH}\n")
            if "boundA" in planted and "boundB" not in planted:
                peaks.append(f"{chrom}\t{start + 50}\t{start + 150}\n")
        genome.append(f">{chrom}\n" + "".join(bases) + "\n")
    (folder / "genome.fa").write_text("".join(genome))
    (folder / "regions.bed").write_text("".join(regions))
    (folder / "peaks.bed").write_text("".join(peaks))
    meme = "MEME version 4\n\nALPHABET= ACGT\n\n"
    for name, word in MOTIFS.items():
        rows = "".join(" ".join("0.97" if base == letter else "0.01" for base in "ACGT") + "\n" for letter in word)
        meme += f"MOTIF {name}\nletter-probability matrix: alength= 4 w= {len(word)} nsites= 100 E= 0\n{rows}\n"
    (folder / "motifs.meme").write_text(meme)
    (folder / "folds.tsv").write_text("# fold\tchrom\tstart\tend\none\tchr1\t0\t60000\ntwo\tchr1\t60000\t120000\n"
                                      "three\tchr2\t0\t60000\n")
    mpira("features", "--set", f"genome.fasta={folder / 'genome.fa'}", "--set", "genome.assembly=toy1",
          "--set", f"regions.bed={folder / 'regions.bed'}", "--set", f"motifs.file={folder / 'motifs.meme'}",
          "--set", "scan.length_bp=300", "--set", f"accessibility.beds=bound={folder / 'peaks.bed'}",
          "--output", folder / "atlas.h5ad", code=0)
    (folder / "train.toml").write_text(f"""
atlas = "{folder / 'atlas.h5ad'}"
target.cell_type = "bound"
holdout = {{ folds = "{folder / 'folds.tsv'}", fold = "one", margin_bp = 150 }}
window.regions = 12
model = {{ dim = 16, depth = 2, heads = 2 }}
train = {{ epochs = 30, batch = 6, lr = 5e-3, min_lr = 5e-5, input_dropout = 0.1 }}
checkpoint.every_s = 0
""")


def train(folder, *words, output="w.safetensors"):
    return ["train", "--config", folder / "train.toml", *words, "--output", folder / output]


def weights(file):
    with safe_open(file, "np") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}, json.loads(stored.metadata()["mpira"])


def epochs_in(file):
    return len(file.read_text().splitlines()) if file.exists() else 0


def check_files(folder):
    run = mpira(*train(folder), code=0)
    tensors, card = weights(folder / "w.safetensors")
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert card["assembly"] == "toy1" and card["motifs"] == list(MOTIFS) and card["cell_type"] == "bound", card
    assert card["held_out"] == [["chr1", 0, 60000]], card["held_out"]
    assert card["window"] == 12 and card["focus"] == 6 and len(card["scales"]) == 3 and card["scan_hash"]
    assert not list(folder.glob("*.checkpoint*")), "a finished run leaves no checkpoint"
    assert status(folder / "w.safetensors")["outcome"] == "done"
    assert "no such file" in mpira("status", folder / "absent.safetensors", code=2).text.lower()

    records = [json.loads(line) for line in (folder / "w.metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == list(range(1, 31))
    best = min(records, key=lambda record: record["validation"]["loss"])
    assert card["training"]["kept_epoch"] == best["epoch"]

    rows = [line.split("\t") for line in (folder / "w.heldout.tsv").read_text().splitlines()]
    assert rows[0] == ["region", "chrom", "start", "end", "target_accessibility", "predicted_accessibility"]
    regions = [line.split("\t") for line in (folder / "regions.bed").read_text().splitlines()]
    centre = lambda region: (int(region[1]) + int(region[2])) // 2
    held_out = [region for region in regions if region[0] == "chr1" and centre(region) < 60000]
    assert [row[1:4] for row in rows[1:]] == held_out
    target, predicted = np.array([row[4:] for row in rows[1:]], dtype=float).T
    positive, negative = predicted[target == 1], predicted[target == 0]
    auroc = ((positive[:, None] > negative).mean() + (positive[:, None] >= negative).mean()) / 2
    pearson = np.corrcoef(target, predicted)[0, 1]
    score = card["training"]["held_out"]
    assert abs(score["pearson"] - pearson) < 1e-6 and abs(score["auroc"] - auroc) < 1e-9, (score, pearson, auroc)
    assert f"Pearson {pearson:.3f}, AUROC {auroc:.3f}" in run.text, run
    print(f"held out: Pearson {pearson:.3f}, AUROC {auroc:.3f}")
    assert auroc > 0.95, auroc


def check_status(file, epochs):
    """`mpira status` of an interrupted training, by any of its files' names."""
    for name in (file, file.with_suffix(".checkpoint.safetensors"), file.with_suffix(".metrics.jsonl")):
        text = mpira("status", name, code=0).stdout
        assert f"epochs     {epochs} of 30 done" in text and "training loss" in text and "validation loss" in text, text
        assert re.search(r"same mpira train command again.*goes on after epoch \d+", text), text
    found = status(file)
    assert found["outcome"] == "partial" and found["epochs_done"] == epochs and found["epochs"] == 30, found
    assert 0 < found["checkpoint_epoch"] <= epochs and found["last"]["epoch"] == epochs, found


def check_resume(folder):
    whole = (folder / "w.safetensors").read_bytes()
    for name, number, code, ranks in (("usr1", signal.SIGUSR1, 3, 0), ("term", signal.SIGTERM, 3, 0),
                                      ("kill", signal.SIGKILL, -9, 0)):
        file = folder / f"{name}.safetensors"
        metrics = folder / f"{name}.metrics.jsonl"
        for patience in (2, 11):
            running = Running(*train(folder, output=file.name), ranks=ranks)
            wait_until(lambda: epochs_in(metrics) >= patience, what=f"{patience} epochs")
            running.signal(number)
            result = running.wait()
            assert result.returncode == code, result
            # kill -9 may fall between the two renames of a new checkpoint
            assert any((folder / f"{name}.checkpoint.safetensors{end}").exists() for end in ("", ".previous"))
            assert not file.exists()
            check_status(file, epochs_in(metrics))
        done = mpira(*train(folder, output=file.name), code=0)
        assert "resumed" in done.text, done
        assert file.read_bytes() == whole, f"{name}: other weights than the undisturbed run"
        assert epochs_in(metrics) == 30
    # Begun on one rank, taken up on three: the same within float noise.
    file = folder / "ranks.safetensors"
    running = Running(*train(folder, output=file.name))
    wait_until(lambda: epochs_in(folder / "ranks.metrics.jsonl") >= 3, what="3 epochs")
    running.signal(signal.SIGUSR1)
    assert running.wait().returncode == 3
    mpira(*train(folder, output=file.name), ranks=3, code=0)
    left, _ = weights(folder / "w.safetensors")
    right, _ = weights(file)
    apart = max(np.abs(left[name] - right[name]).max() for name in left)
    print(f"one rank and one, then three: weights at most {apart:.1e} apart")
    assert apart < 1e-3


def check_finished_output(folder):
    assert "finished already" in mpira(*train(folder), code=0).text
    assert "epochs     30 of 30 done" in mpira("status", folder / "w.safetensors", code=0).stdout
    (folder / "folds.tsv.gz").write_bytes(gzip.compress((folder / "folds.tsv").read_bytes()))
    again = mpira(*train(folder, "--set", f"holdout.folds={folder / 'folds.tsv.gz'}"), code=0)
    assert "finished already" in again.text, f"the same folds:\n{again}"
    other = mpira(*train(folder, "--set", "train.lr=0.001"), code=2)
    assert "w.safetensors" in other.text and "train.lr" in other.text, other
    assert "--overwrite" in mpira(*train(folder, "--fresh"), code=2).text
    files = [folder / f"w.{ending}" for ending in ("safetensors", "metrics.jsonl", "heldout.tsv")]
    before = [file.read_bytes() for file in files]
    mpira(*train(folder, "--fresh", "--overwrite", "--set", "train.epochs=2"), code=0)
    for file, bytes_before in zip(files, before):
        assert file.with_name(file.name + ".old").read_bytes() == bytes_before != file.read_bytes(), file

    still = mpira(*train(folder, "--set", "train.epochs=0", output="still.safetensors"), code=0)
    assert "nothing is trained" in still.text, still

    running = Running(*train(folder, output="c.safetensors"))
    wait_until(lambda: epochs_in(folder / "c.metrics.jsonl") >= 2, what="2 epochs")
    running.signal(signal.SIGUSR1)
    assert running.wait().returncode == 3
    refused = mpira(*train(folder, "--set", "train.batch=7", output="c.safetensors"), code=2)
    assert "train.batch" in refused.text and "--fresh" in refused.text, refused
    mpira(*train(folder, "--set", "train.batch=7", "--set", "train.epochs=1", "--fresh", output="c.safetensors"), code=0)


def check_output_is_a_file(folder):
    (folder / "d.safetensors").mkdir()
    assert "is a folder" in mpira(*train(folder, "--fresh", "--overwrite", output="d.safetensors"), code=2).text
    os.mkfifo(folder / "p.safetensors")
    assert "device or pipe" in mpira(*train(folder, output="p.safetensors"), code=2).text


def check_one_at_a_time(folder):
    """While a training goes on, status says so and another start is refused, also one that means to start over."""
    file, metrics = folder / "one.safetensors", folder / "one.metrics.jsonl"
    checkpoint = folder / "one.checkpoint.safetensors"
    long = ["--set", "train.epochs=100000"]
    running = Running(*train(folder, *long, output=file.name))
    wait_until(lambda: epochs_in(metrics) >= 2, what="2 epochs")
    assert status(file)["outcome"] == "running" and status(file)["epochs"] == 100000
    text = mpira("status", file, code=0).stdout
    assert "outcome    running" in text and "next" not in text, text
    for other in [Running(*train(folder, *words, output=file.name), ranks=ranks) for words, ranks in
                  ((long, 2), (["--fresh", "--overwrite"], 0))]:
        refused = other.wait(60)
        assert refused.returncode == 2 and "one.metrics.jsonl" in refused.text and "another" in refused.text, refused
    assert running.process.poll() is None
    wait_until(checkpoint.exists, what="the running one's checkpoint")  # for a moment between two it has another name
    running.signal(signal.SIGUSR1)
    assert running.wait().returncode == 3
    assert status(file)["outcome"] == "partial" and epochs_in(metrics) >= 2
    # A start that comes to nothing leaves nothing.
    mpira(*train(folder, "--set", "train.deterministic=true", output="none.safetensors"), ranks=3, code=2)
    assert not list(folder.glob("none.*")), list(folder.glob("none.*"))


# What is set, and what the message must hold. fold is emptied where another way of holding out is tried.
NO_FOLD = ["--set", "holdout.folds=", "--set", "holdout.fold="]
WRONG = [
    (["--set", "atlas=nowhere.h5ad"], ["nowhere.h5ad"]),
    (["--set", "target.cell_type=bund"], ["bund", "bound"]),
    (["--set", "target.cell_type="], ["target.cell_type"]),
    (["--set", "target.kind=expression"], ["target.expression"]),
    (["--set", "target.kind=expression", "--set", "target.expression=plus"], ["plus"]),
    (["--set", "input.accessibility=quantitative"], ["input.accessibility"]),
    (["--set", "input.scale_set=boundd"], ["boundd"]),
    (["--set", "holdout.fold=on"], ["holdout.fold", "one"]),
    (["--set", "holdout.fold="], ["holdout.fold"]),
    (["--set", "holdout.folds=missing.tsv"], ["missing.tsv"]),
    (["--set", "holdout.chromosomes=chr1"], ["holdout"]),
    ([*NO_FOLD, "--set", "holdout.chromosomes=chr9", "--set", "validation.mode=none"], ["chr9"]),
    ([*NO_FOLD, "--set", "holdout.chromosomes=chr1,chr2,chr3"], ["validation.mode"]),
    ([*NO_FOLD, "--set", "holdout.regions=chr1:5-x"], ["holdout.regions", "chr1:5-x"]),
    ([*NO_FOLD, "--set", "holdout.regions=chr1:0-20", "--set", "validation.mode=none"], ["chr1:0-20"]),
    (NO_FOLD, ["validation.mode"]),
    (["--set", "validation.mode=regions"], ["validation.regions"]),
    (["--set", "validation.mode=regions", "--set", "validation.regions=chr1:10000-70000"], ["validation"]),
    (["--set", "model.heads=3"], ["3", "16"]),
    (["--set", "train.min_lr=1"], ["train.min_lr"]),
    (["--set", "train.epochs=-1"], ["train.epochs"]),
    (["--set", "train.epoch=3"], ["train.epoch", "train.epochs"]),
    (["--set", "window.max_span_bp=10"], ["window.max_span_bp"]),
    (["--set", "train.lr=9", "--set", "train.min_lr=9", "--set", "train.weight_decay=10"], ["train.lr"]),
]


def check_wrong_inputs(folder):
    for words, expected in WRONG:
        result = mpira(*train(folder, *words, output="wrong.safetensors"))
        assert result.returncode == 2, result
        assert all(word in result.text for word in expected), f"not all of {expected} in\n{result}"
        assert not (folder / "wrong.safetensors").exists(), result
    for output, word in (("w.h5ad", ".safetensors"), ("no/w.safetensors", "no")):
        result = mpira(*train(folder, output=output))
        assert result.returncode == 2 and word in result.text, result
    two = mpira(*train(folder, "--set", "holdout.fold=on", output="wrong.safetensors"), ranks=2)
    assert two.returncode == 2 and two.text.count("there are one") == 1, two
    print(f"{len(WRONG) + 3} wrong inputs refused by name")


def check_other_ways_of_holding_out(folder):
    """Whole chromosomes, the next one validating; blocks, the next one validating; nothing held out."""
    for words, test, validation in (
            (["--set", "holdout.chromosomes=chr3"], 78, 198), (["--set", "holdout.regions=chr2:0-50000"], 49, 50),
            (["--set", "validation.mode=none"], 0, 0)):
        run = mpira(*train(folder, *NO_FOLD, *words, "--set", "train.epochs=1", "--set", "holdout.margin_bp=0",
                           "--fresh", "--overwrite", output="h.safetensors"), code=0)
        assert f"{validation} to validate, {test} held out" in run.text, run
        _, card = weights(folder / "h.safetensors")
        if "chr3" in words[1]:
            ((chrom, start, end),) = card["held_out"]
            assert chrom == "chr3" and start == 0 and end > CHROMS["chr3"], card["held_out"]
            assert re.search(r"held out +chr3\n", mpira("weights", folder / "h.safetensors", code=0).stdout)
        again = mpira(*train(folder, *NO_FOLD, *words, "--set", "train.epochs=1", "--set", "holdout.margin_bp=0",
                             output="h.safetensors"), code=0)
        assert "finished already" in again.text, again


def main():
    with tempfile.TemporaryDirectory(prefix="mpira-train-") as name:
        folder = Path(name)
        make_data(folder)
        check_files(folder)
        check_resume(folder)
        check_finished_output(folder)
        check_output_is_a_file(folder)
        check_one_at_a_time(folder)
        check_other_ways_of_holding_out(folder)
        check_wrong_inputs(folder)


if __name__ == "__main__":
    main()
