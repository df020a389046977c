"""Wrong genomes, regions, motifs, atlases, weights and libraries: as bad_inputs_test.py, for the jobs that read them.

A row: name, the command ("features" or "lentimpra"), what spoils the good inputs of toy.py, further words, and what the
message must hold. Spoilers get a folder with a good copy of everything.
"""

import gzip
import json
import shutil
import struct
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from bad_inputs_test import snapshot
from mpira_test import mpira, option, read_anndata
from toy import make_inputs, screen_toml, write_weights


def edit(name, old, new, count=1):
    def spoil(folder):
        text = (folder / name).read_text()
        assert old in text, f"{old!r} is not in {name}"
        (folder / name).write_text(text.replace(old, new, count))

    return spoil


def line(name, number, new):
    """Line `number` (from 1) of a file becomes `new`."""

    def spoil(folder):
        lines = (folder / name).read_text().split("\n")
        lines[number - 1] = new
        (folder / name).write_text("\n".join(lines))

    return spoil


def add(name, text):
    def spoil(folder):
        with open(folder / name, "a") as file:
            file.write(text)

    return spoil


def write(name, content):
    def spoil(folder):
        (folder / name).write_bytes(content)

    return spoil


def remove(name):
    return lambda folder: (folder / name).unlink()


def nothing(folder):
    pass


def plain_gzip(folder):
    (folder / "genome.fa.gz").write_bytes(gzip.compress((folder / "genome.fa").read_bytes()))


def cut(name, share=0.5):
    def spoil(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:int(len(data) * share)])

    return spoil


def change_h5(path, change):
    def spoil(folder):
        with h5py.File(folder / "atlas.h5ad", "r+", locking=False) as file:
            change(file, path)

    return spoil


def set_value(index, value):
    def change(file, path):
        file[path][index] = value

    return change


def delete(file, path):
    del file[path]


def swap_rows(file, path):
    values = file[path][()]
    values[[0, 5]] = values[[5, 0]]
    file[path][()] = values


def change_card(**values):
    """The weights' card with other values; everything else as it was."""

    def change(header):
        card = json.loads(header["__metadata__"]["mpira"])
        for key, value in values.items():
            card[key] = value(card[key]) if callable(value) else value
        header["__metadata__"]["mpira"] = json.dumps(card)

    return change_header(change)


def change_header(change):
    def spoil(folder):
        path = folder / "expression.safetensors"
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        change(header)
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])

    return spoil


def lie_about_size(header):
    header["encoder.norm.weight"]["shape"] = [1 << 40]


def lose_tensor(folder):
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    path = folder / "expression.safetensors"
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    del tensors["encoder.norm.weight"]
    save_file(tensors, path, metadata=metadata)


def lose_card(header):
    del header["__metadata__"]


def swapped(values):
    return [values[1], values[0], *values[2:]]


F, L = "features", "lentimpra"
CASES = [
    # genome
    ("no genome", F, remove("genome.fa"), [], ["genome.fa"]),
    ("genome is no FASTA", F, write("genome.fa", b"a,b\n1,2\n"), [], ["genome.fa"]),
    ("genome is empty", F, write("genome.fa", b""), [], ["genome.fa"]),
    ("letter that is no base", F, lambda folder: edit("genome.fa", "A", "J")(folder), [], ["genome.fa", "J"]),
    ("chromosome twice", F, add("genome.fa", ">chr1\nACGT\n"), [], ["genome.fa", "chr1"]),
    ("gzip in place of bgzip", F, plain_gzip, ["--set", "genome.fasta={}/genome.fa.gz"], ["genome.fa.gz", "bgzip"]),
    ("chrom.sizes of another genome", F, write("sizes", b"chr1\t9000\nchr2\t7001\nchr3\t600\n"),
     ["--set", "genome.chrom_sizes={}/sizes"], ["sizes", "chr2", "7001"]),
    ("chrom.sizes with text", F, write("sizes", b"chr1\tlong\n"), ["--set", "genome.chrom_sizes={}/sizes"], ["sizes", "1"]),
    # regions
    ("no regions", F, remove("regions.bed"), [], ["regions.bed"]),
    ("a name too long", F, nothing, ["--set", "regions.bed=" + 300 * "x"], ["xxx: File name too long"]),
    ("empty BED", F, write("regions.bed", b""), [], ["regions.bed"]),
    ("BED with two columns", F, line("regions.bed", 3, "chr1\t100"), [], ["regions.bed", "3"]),
    ("start is no number", F, line("regions.bed", 3, "chr1\tten\t200"), [], ["regions.bed", "3", "ten"]),
    ("start after end", F, line("regions.bed", 3, "chr1\t300\t200"), [], ["regions.bed", "3"]),
    ("negative start", F, line("regions.bed", 3, "chr1\t-5\t200"), [], ["regions.bed", "3"]),
    ("beyond the chromosome", F, line("regions.bed", 3, "chr3\t500\t700"), [], ["regions.bed", "3", "600"]),
    ("unknown chromosome", F, line("regions.bed", 3, "chr4\t500\t700"), [], ["regions.bed", "3", "chr4"]),
    # motifs
    ("no motifs", F, remove("motifs.meme"), [], ["motifs.meme"]),
    ("motifs are no MEME", F, write("motifs.meme", b"m0 ACGT\n"), [], ["motifs.meme"]),
    ("motif shorter than said", F, edit("motifs.meme", "w= ", "w= 1"), [], ["motifs.meme"]),
    ("motif row without sum 1", F, edit("motifs.meme", "0.", "3.", 4), [], ["motifs.meme"]),
    ("motif twice", F, edit("motifs.meme", "MOTIF m1 ", "MOTIF m0 "), [], ["motifs.meme", "m0"]),
    ("two sources of motifs", F, nothing, ["--set", "motifs.jaspar={}/motifs.meme"], ["motifs.jaspar"]),
    ("JASPAR is no SQLite", F, nothing, ["--set", "motifs.file=", "--set", "motifs.jaspar={}/genome.fa"], ["genome.fa"]),
    ("group of motifs of a text file", F, nothing, ["--set", "motifs.tax_group=insects"], ["motifs.tax_group", "motifs.jaspar"]),
    ("collection of motifs of a text file", F, nothing, ["--set", "motifs.collection=PBM"], ["motifs.collection", "motifs.jaspar"]),
    ("cluster of an unknown motif", F, add("clusters.tsv", "m77\tf1\n"), [], ["clusters.tsv", "m77"]),
    ("cluster with one column", F, line("clusters.tsv", 2, "m1"), [], ["clusters.tsv", "2"]),
    ("p-value above 1", F, nothing, ["--set", "scan.p_value=2"], ["scan.p_value", "out of range"]),
    ("background of three numbers", F, nothing, ["--set", "scan.background=0.2,0.3,0.5"], ["scan.background: '0.2,0.3,0.5'", "four"]),
    # accessibility
    ("peaks without a name", F, nothing, ["--set", "accessibility.beds={}/open.bed"], ["accessibility.beds"]),
    ("no peaks", F, remove("open.bed"), [], ["open.bed"]),
    # expression
    ("no expression", F, nothing, ["--set", "expression.table={}/none.tsv"], ["none.tsv"]),
    ("expression of an unknown region", F, write("e.tsv", b"chrom\tstart\tend\tx\nchr1\t1\t2\t3\n"),
     ["--set", "expression.table={}/e.tsv"], ["e.tsv, line 2", "chr1 1 2"]),
    ("promoters of no genes", F, nothing, ["--set", "expression.promoter_bp=5"], ["expression.promoter_bp", "expression.genes"]),
    ("accessibility of no genes", F, nothing, ["--set", "expression.least_accessibility=0.9"],
     ["expression.least_accessibility", "expression.genes"]),
    # atlas
    ("no atlas", L, remove("atlas.h5ad"), [], ["atlas.h5ad"]),
    ("atlas is a text", L, write("atlas.h5ad", b"x" * 4000), [], ["atlas.h5ad"]),
    ("half an atlas", L, cut("atlas.h5ad"), [], ["atlas.h5ad"]),
    ("atlas without scales", L, change_h5("varm/scale", delete), [], ["atlas.h5ad", "scale"]),
    ("NaN in the atlas", L, change_h5("X", set_value((3, 2), np.nan)), [], ["atlas.h5ad"]),
    ("regions out of order", L, change_h5("obs/start", swap_rows), [], ["atlas.h5ad"]),
    ("unknown cell type", L, nothing, ["--set", "atlas.cell_type=liver"], ["liver"]),
    # weights
    ("no weights", L, remove("expression.safetensors"), [], ["expression.safetensors"]),
    ("weights are a text", L, write("expression.safetensors", b"not weights at all"), [], ["expression.safetensors"]),
    ("half the weights", L, cut("expression.safetensors"), [], ["expression.safetensors"]),
    ("a header of 2^60 bytes", L, write("expression.safetensors", struct.pack("<Q", 1 << 60) + b"{}"), [],
     ["expression.safetensors"]),
    ("a tensor of 2^40 values", L, change_header(lie_about_size), [], ["expression.safetensors", "encoder.norm.weight"]),
    ("a tensor is missing", L, lose_tensor, [], ["expression.safetensors", "encoder.norm.weight"]),
    ("weights without a card", L, change_header(lose_card), [], ["expression.safetensors"]),
    ("model of another assembly", L, change_card(assembly="hg38"), [], ["hg38", "toy"]),
    ("model with motifs in another order", L, change_card(motifs=swapped), [], ["motif"]),
    ("model with other scales", L, change_card(scales=lambda scales: [2 * x for x in scales]), [], ["scale"]),
    ("model of another scan", L, change_card(scan_hash="0" * 32), [], ["scan"]),
    ("two kinds of weights", L, nothing, ["--set", "model.weights_by_group={}/clusters.tsv"], ["model.weights"]),
    # library and sites
    ("strand that is none", L, write("e.bed", b"chr1\t5\t60\ta\t0\t+\nchr1\t5\t60\tb\t0\tfold7\n"),
     ["--set", "elements.fasta=", "--set", "elements.bed={}/e.bed", "--set", "elements.genome={}/genome.fa"],
     ["e.bed, line 2", "strand", "fold7"]),
    ("no elements", L, write("elements.fa", b""), [], ["elements.fa"]),
    ("groups twice", L, nothing, ["--set", "elements.group_column=7"], ["elements.group_column", "elements.groups"]),
    ("element with a wrong letter", L, line("elements.fa", 2, "ACGT!ACGT"), [], ["elements.fa", "!"]),
    ("vector without placeholder", L, edit("vector.fa", "__Enhancer__", ""), [], ["vector.fa", "__Enhancer__"]),
    ("two kinds of elements", L, nothing, ["--set", "elements.bed={}/regions.bed"], ["elements."]),
    ("window wider than any chromosome", L, nothing, ["--set", "sites.window=500", "--set", "sites.focus=250"], ["site"]),
    ("sites on an unknown chromosome", L, nothing, ["--set", "sites.chroms=chr9"], ["chr9"]),
    ("micro-batch below none", L, nothing, ["--set", "model.micro_batch=-1"], ["model.micro_batch", "out of range"]),
]


def check(good, command, spoil, words, fragments):
    with tempfile.TemporaryDirectory(prefix="mpira-bad-") as name:
        folder = Path(name)
        shutil.copytree(good, folder, dirs_exist_ok=True)
        for toml in ("features.toml", "screen.toml"):
            (folder / toml).write_text((folder / toml).read_text().replace(str(good), name))
        spoil(folder)
        before = snapshot(folder)
        result = mpira(command, "--config", folder / f"{'features' if command == F else 'screen'}.toml",
                       *[word.replace("{}", name) for word in words], "--output", folder / "out.h5ad")
        assert result.returncode == 2, result
        for fragment in fragments:
            assert fragment in result.text, f"'{fragment}' is not in:\n{result}"
        said = [line for line in result.stderr.splitlines() if line.startswith("mpira")]
        assert len(said) == 1, f"one line, once:\n{result}"
        after = snapshot(folder)
        changed = {path.name for path in before.keys() ^ after.keys()} | {
            path.name for path in before if before[path] != after.get(path)}
        assert not {name for name in changed if not name.endswith(".fai")}, f"files changed: {changed}\n{result}"
        if option("show", ""):
            print(f"{said[0].replace(name, '.')}")


def main():
    failed = []
    with tempfile.TemporaryDirectory(prefix="mpira-good-") as name:
        good = Path(name)
        make_inputs(good)
        write_weights(good / "expression.safetensors", read_anndata(good / "atlas.h5ad"), "expression", 1, [])
        (good / "screen.toml").write_text(
            screen_toml(good, good / "out.h5ad", "[sites]\ninsertions = 4\n[controls]\nshuffles = 0\n"))
        for config in ("features.toml", "screen.toml"):  # the good inputs are good
            command = "features" if config == "features.toml" else "lentimpra"
            mpira(command, "--config", good / config, "--output", good / "ok.h5ad", code=0)
            (good / "ok.h5ad").unlink()

        def run(title, *row):
            try:
                check(good, *row)
            except Exception as error:
                failed.append(title)
                print(f"FAILED {title}: {error}", flush=True)

        with ThreadPoolExecutor(2) as pool:  # they wait for processes
            for row in CASES:
                if option("only", "") in row[0]:
                    pool.submit(run, *row)
    print(f"{len(CASES)} wrong inputs, {len(failed)} failures")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
