"""`mpira split` and what reads its fold files: every design against plain Python loops over regions, homology against a
union-find over bases counted one by one, ChromBPNet's JSON and ours in `mpira train` and `mpira folds`, wrong inputs."""
import json
import random
import re

import numpy as np

from mpira_test import mpira, read_anndata, run_cases
from train_stages_test import make_atlas
from train_test import CHROMS, NO_FOLD, make_data, weights

EPOCH = ["--set", "train.epochs=1"]


def prepare(folder):
    make_data(folder)
    (folder / "chrom.sizes").write_text("".join(f"{name}\t{length}\n" for name, length in CHROMS.items()))
    (folder / "folds.toml").write_text(re.sub(r"holdout = .*\n", "", (folder / "train.toml").read_text()))
    return [(c, int(s), int(e)) for c, s, e in map(str.split, (folder / "regions.bed").read_text().splitlines())]


def split(folder, *words, output="splits", code=0):
    run = mpira("split", *words, "--output", folder / output, code=code)
    if code:
        return run
    files = {file.stem: json.loads(file.read_text()) for file in (folder / output).glob("*.json")}
    assert len(files) == len(list((folder / output).iterdir()))
    return run, files


def interval(text):
    chrom, _, ends = text.partition(":")
    start, end = map(int, ends.split("-")) if ends else (0, 10**12)
    return chrom, start, end


def holds(texts, region):
    centre = (region[1] + region[2]) // 2
    return any(chrom == region[0] and start <= centre < end for chrom, start, end in map(interval, texts))


def near(texts, region, margin):
    return any(chrom == region[0] and region[1] < end + margin and region[2] > start - margin
               for chrom, start, end in map(interval, texts))


def uses(fold, regions):
    """test, valid, train or none of every region, as README and headers promise it."""
    margin, found = fold.get("margin_bp", 0), []
    for region in regions:
        if holds(fold["test"], region):
            found.append("test")
        elif near(fold["test"], region, margin):
            found.append("none")
        elif holds(fold["valid"], region):
            found.append("valid")
        elif near(fold["valid"], region, margin):
            found.append("none")
        else:
            found.append("train" if holds(fold["train"], region) else "none")
    return found


def counts(fold, regions):
    found = uses(fold, regions)
    return tuple(found.count(use) for use in ("test", "valid", "train", "none"))


def is_partition(files, regions, margin, fewest):
    """Each region is tested once; those of a training set are apart from what is held out by the margin."""
    assert len(files) >= fewest
    tested = np.zeros(len(regions), int)
    for fold in files.values():
        found = uses(fold, regions)
        tested += [use == "test" for use in found]
        for use, region in zip(found, regions):
            if use == "train":
                assert not near(fold["test"] + fold["valid"], region, margin), (region, fold)
            if use == "valid":
                assert not near(fold["test"], region, margin), (region, fold)
        for a, b in (("train", "test"), ("train", "valid"), ("valid", "test")):
            for chrom, start, end in map(interval, fold[a]):
                assert not near(fold[b], (chrom, start, end), margin), (a, b, fold)
    assert (tested == 1).all()


def designs(folder):
    regions = prepare(folder)
    by_atlas = ["--atlas", folder / "atlas.h5ad"]
    by_bed = ["--regions", folder / "regions.bed", "--chrom-sizes", folder / "chrom.sizes"]
    run, files = split(folder, "--by", "chromosome", *by_atlas, output="chromosomes")
    assert {name: (f["train"], f["valid"], f["test"]) for name, f in files.items()} == {
        "chr1": (["chr3"], ["chr2"], ["chr1"]), "chr2": (["chr1"], ["chr3"], ["chr2"]),
        "chr3": (["chr2"], ["chr1"], ["chr3"])}
    for kind, words in (("atlas", by_atlas), ("bed", by_bed)):
        for margin in (0, 800):
            for name, design in (("blocks", ["--block-bp", "50000"]), ("k-fold", ["--block-bp", "10000", "--folds", "4"])):
                out = f"{name}.{kind}.{margin}"
                run, files = split(folder, "--by", "block", *design, *words, "--margin-bp", margin, output=out)
                is_partition(files, regions, margin, 4)
                for fold, content in files.items():
                    told = "{}.json: test {} regions, valid {}, train {}, in none {}\n"
                    assert told.format(fold, *counts(content, regions)) in run.stdout, run.stdout
                if name == "k-fold":
                    sizes = [counts(content, regions)[0] for content in files.values()]
                    assert len(files) == 4 and max(sizes) - min(sizes) <= 10, sizes
                if margin:
                    assert any(counts(content, regions)[3] > 0 for content in files.values())
    _, files = split(folder, "--by", "block", "--block-bp", "10000", "--folds", "4", "--no-valid", *by_bed, output="no valid")
    assert all(fold["valid"] == [] for fold in files.values())
    is_partition(files, regions, 0, 4)
    # By bases where there are no regions; chromosomes dealt.
    run, files = split(folder, "--by", "chromosome", "--folds", "3", "--chrom-sizes", folder / "chrom.sizes", output="sizes")
    assert sorted(fold["test"] for fold in files.values()) == [["chr1"], ["chr2"], ["chr3"]]
    assert "test 0.200 Mb, valid 0.120 Mb, train 0.080 Mb" in run.stdout, run.stdout

    before = {file.name: file.read_bytes() for file in (folder / "sizes").iterdir()}
    again = ["--by", "chromosome", "--folds", "3", "--chrom-sizes", folder / "chrom.sizes"]
    assert "--overwrite" in split(folder, *again, output="sizes", code=2).stderr
    split(folder, *again, "--overwrite", output="sizes")
    for name in ("sizes", "sizes.old"):
        assert {file.name: file.read_bytes() for file in (folder / name).iterdir()} == before


def random_chains(draw, target, query, count):
    """Chains, and for each the bases that a pair of bins of 10 kb has in it, counted one by one."""
    text, counted = "", []
    for number in range(count):
        t, q = draw.choice(list(target)), draw.choice(list(query))
        strand = draw.choice("+-")
        t_start, q_start = (draw.randrange(sizes[c] - 15000) for c, sizes in ((t, target), (q, query)))
        t_at, q_at, blocks, pairs = t_start, q_start, "", {}
        while True:
            size, dt, dq = draw.randrange(1, 3000), draw.randrange(300), draw.randrange(300)
            for i in range(size):
                base = query[q] - 1 - (q_at + i) if strand == "-" else q_at + i
                pair = (t, (t_at + i) // 10000), (q, base // 10000)
                pairs[pair] = pairs.get(pair, 0) + 1
            t_at, q_at = t_at + size, q_at + size
            if max(t_at - t_start, q_at - q_start) > 10000 or draw.random() < 0.1:
                break
            blocks += f"{size}\t{dt}\t{dq}\n"
            t_at, q_at = t_at + dt, q_at + dq
        text += (f"chain {number} {t} {target[t]} + {t_start} {t_at} {q} {query[q]} {strand} {q_start} {q_at} {number}\n"
                 f"{blocks}{size}\n\n")
        counted.append(pairs)
    return text, counted


def union(nodes, pairs):
    """The components, each a sorted list of nodes, in the order of their first."""
    parent = {node: node for node in nodes}
    root = lambda node: node if parent[node] == node else root(parent[node])
    for a, b in pairs:
        parent[root(a)] = root(b)
    roots = {node: root(node) for node in nodes}
    return [[node for node in nodes if roots[node] == one] for one in dict.fromkeys(roots.values())]


def fold_of_bins(files):
    """{bin: fold} of the test sets; every bin lies whole in one."""
    found = {}
    for name, fold in files.items():
        for chrom, start, end in map(interval, fold["test"]):
            end = min(end, CHROMS[chrom])
            assert start % 10000 == 0 and (end % 10000 == 0 or end == CHROMS[chrom])
            for number in range(start // 10000, -(-end // 10000)):
                assert found.setdefault((chrom, number), int(name[5:])) == int(name[5:])
    return found


def homology(folder):
    regions = prepare(folder)
    bins = [(chrom, i) for chrom, length in CHROMS.items() for i in range(-(-length // 10000))]
    text, counted = random_chains(random.Random(2), CHROMS, CHROMS, 8)
    (folder / "self.chain").write_text(text)
    words = ["--by", "homology", "--regions", folder / "regions.bed", "--chrom-sizes", folder / "chrom.sizes",
             "--block-bp", 10000, "--folds", 4]
    for least in (500, 3000):
        run, files = split(folder, *words, "--alignment", folder / "self.chain", "--min-aligned-bp", least,
                           output=f"homology{least}")
        pairs = [pair for one in counted for pair, bases in one.items() if bases >= least and pair[0] != pair[1]]
        components = union(bins, pairs)
        assert 1 < len(components) < len(bins)
        assert f"{len(bins)} bins joined into {len(components)} components by {len(pairs)} pairs" in run.stdout, run.stdout
        # Largest first to the lightest fold.
        size = lambda component: (sum((c, (s + e) // 2 // 10000) in component for c, s, e in regions),
                                  sum(min(10000, CHROMS[c] - 10000 * i) for c, i in component))
        loads, expected = [[0, 0, 0, fold] for fold in range(4)], {}
        for component in sorted(components, key=size, reverse=True):
            load = min(loads)
            for at, more in enumerate((*size(component), 1)):
                load[at] += more
            expected.update(dict.fromkeys(component, load[3]))
        assert fold_of_bins(files) == expected
        is_partition(files, regions, 0, 4)
        for pair in pairs:
            assert expected[pair[0]] == expected[pair[1]]
    # A net of the same bases is the same split.
    net = chain = ""
    for chrom, length in CHROMS.items():
        net += f"net {chrom} {length}\n"
        for i, (other, strand) in enumerate(zip(CHROMS, "+-+")):
            net += f" fill {100 * i} 100 {other} {strand} {1000 + 100 * i} 100 id {i}\n"
            start = 1000 + 100 * i if strand == "+" else CHROMS[other] - 1100 - 100 * i
            chain += (f"chain 1 {chrom} {length} + {100 * i} {100 * i + 100} {other} {CHROMS[other]} {strand} {start} "
                      f"{start + 100} {i}\n100\n\n")
    (folder / "self.net").write_text(net)
    (folder / "net.chain").write_text(chain)
    both = [split(folder, *words, "--alignment", folder / name, "--min-aligned-bp", 100, output=name + ".splits")[1]
            for name in ("self.net", "net.chain")]
    for fold in both[0].values():
        fold["design"]["alignment"] = "net.chain"
    assert both[0] == both[1]

    # Another genome: what is aligned is in the same fold of both.
    text, counted = random_chains(random.Random(3), CHROMS, {"chr1": CHROMS["chr1"], "chr3": CHROMS["chr3"]}, 10)
    (folder / "other.chain").write_text(text)
    (folder / "other.sizes").write_text(f"chr1\t{CHROMS['chr1']}\nchr3\t{CHROMS['chr3']}\n")
    _, files = split(folder, *words, "--alignment", folder / "other.chain", "--min-aligned-bp", 500, "--query-chrom-sizes",
                     folder / "other.sizes", "--query-output", folder / "query", output="target")
    queries = {file.stem: json.loads(file.read_text()) for file in (folder / "query").iterdir()}
    of_target, of_query = fold_of_bins(files), fold_of_bins(queries)
    assert len(of_target) == len(bins) and len(of_query) == 28
    joined = [pair for one in counted for pair, bases in one.items() if bases >= 500]
    assert joined and all(of_target[a] == of_query[b] for a, b in joined)
    assert any(of_target[a] != of_query[a] for a in of_query), "the bins of both are told apart"


def train(folder, file, *words, output="w.safetensors", code=0):
    return mpira("train", "--config", folder / "train.toml", *NO_FOLD, "--set", f"holdout.folds={file}", "--set",
                 "holdout.margin_bp=0", *EPOCH, *words, "--output", folder / output, code=code)


def trained(folder, fold, regions, *words, output):
    """A training run of this fold, held against what Python says of it: log, held-out table, card."""
    file = folder / f"{output}.json"
    file.write_text(json.dumps(fold, indent=4))
    run = train(folder, file, *words, output=f"{output}.safetensors")
    test, valid, learned, _ = counts(fold, regions)
    assert f"{learned} regions to train on, {valid} to validate, {test} held out" in run.text, run.text
    found = uses(fold, regions)
    rows = [line.split("\t")[1:4] for line in (folder / f"{output}.heldout.tsv").read_text().splitlines()[1:]]
    assert [(c, int(s), int(e)) for c, s, e in rows] == [r for r, use in zip(regions, found) if use == "test"]
    _, card = weights(folder / f"{output}.safetensors")
    seen = [tuple(i) for record in card["seen"] for i in record["intervals"]]
    for region, use in zip(regions, found):
        overlaps = any(c == region[0] and s < region[2] and region[1] < e for c, s, e in seen)
        assert overlaps == (use in ("train", "valid")), (region, use)
    return run


def read_by_train(folder):
    regions = prepare(folder)
    chrombpnet = {"test": ["chr3"], "valid": ["chr2"], "train": ["chr1"]}
    trained(folder, chrombpnet, regions, output="fold_0")
    # A chromosome that the atlas doesn't have is left out, and said to be.
    run = trained(folder, chrombpnet | {"test": ["chr3", "chrY"]}, regions, output="fold_1")
    assert "chrY" in run.text
    # What is in no list isn't trained on.
    trained(folder, chrombpnet | {"train": ["chr1:0-50000", "chr1:90000-120500"]}, regions, output="part")
    _, files = split(folder, "--by", "block", "--block-bp", "20000", "--folds", "4", "--margin-bp", "800", "--atlas",
                     folder / "atlas.h5ad")
    for name in ("fold_0", "fold_3"):
        trained(folder, files[name], regions, output=f"ours_{name}")
    run = train(folder, folder / "splits", "--set", "holdout.fold=fold_3", output="folder.safetensors")
    assert f"{counts(files['fold_3'], regions)[2]} regions to train on" in run.text
    assert (folder / "folder.heldout.tsv").read_bytes() == (folder / "ours_fold_3.heldout.tsv").read_bytes()

    # Finished weights belong to what the file said.
    assert "finished already" in train(folder, folder / "fold_0.json", output="fold_0.safetensors").text
    (folder / "fold_0.json").write_text(json.dumps(chrombpnet | {"train": ["chr1:0-150000"]}))
    other = train(folder, folder / "fold_0.json", output="fold_0.safetensors", code=2)
    assert "training intervals" in other.text, other
    none = train(folder, folder / "fold_0.json", "--set", "validation.mode=none", output="none.safetensors")
    assert "0 to validate" in none.text and "149 regions to train on" in none.text, none.text


def read_by_folds(folder):
    regions = prepare(folder)
    _, files = split(folder, "--by", "chromosome", "--atlas", folder / "atlas.h5ad")
    sweep = ["folds", "--config", folder / "folds.toml", "--set", "holdout.margin_bp=0", *EPOCH]
    (folder / "alone.json").write_text(json.dumps({"test": ["chr3"], "valid": ["chr2"], "train": ["chr1:0-70000"]}))
    alone = {"alone": json.loads((folder / "alone.json").read_text())}
    for output, place, content in (("sweep", folder / "splits", files), ("alone", folder / "alone.json", alone)):
        mpira(*sweep, "--set", f"holdout.folds={place}", "--output", folder / f"{output}.h5ad", ranks=2, code=0)
        data = read_anndata(folder / f"{output}.h5ad")
        assert list(data.obs["fold"]) == sorted(content) and data.obs["done"].all()
        for number, name in enumerate(sorted(content)):
            rows = np.asarray(data.obsm["heldout_row"])[number]
            found = uses(content[name], regions)
            assert list(rows[rows >= 0]) == [row for row, use in enumerate(found) if use == "test"]
            assert data.obs["trained_regions"].iloc[number] == found.count("train")


def cell_types(folder):
    prepare(folder)
    make_atlas(folder)
    lines = (folder / "cells.toml").read_text().splitlines()
    (folder / "cells.toml").write_text("\n".join(l for l in lines if not l.startswith(("holdout", "validation"))) + "\n")
    _, files = split(folder, "--by", "cell_type", "--atlas", folder / "cells.h5ad", output="types")
    assert {name: fold["cell_types"] for name, fold in files.items()} == {
        "A": {"test": ["A"], "valid": ["B"], "train": ["C"]}, "B": {"test": ["B"], "valid": ["C"], "train": ["A"]},
        "C": {"test": ["C"], "valid": ["A"], "train": ["B"]}}
    kind = ["--config", folder / "cells.toml", "--set", "target.kind=expression", "--set",
            "target.expression={cell_type}.plus,{cell_type}.minus", "--set", "target.cell_type=*", *EPOCH]
    mpira("folds", *kind, "--set", f"holdout.folds={folder / 'types'}", "--output", folder / "sweep.h5ad", code=0)
    data = read_anndata(folder / "sweep.h5ad")
    open_in = (np.asarray(read_anndata(folder / "cells.h5ad").obsm["accessibility"]) > 0).sum(axis=0)
    for number in range(3):
        cells = np.asarray(data.obsm["heldout_cell_type"])[number]
        assert set(cells[cells >= 0]) == {number} and (cells >= 0).sum() == open_in[number]
        assert data.obs["trained_regions"].iloc[number] == open_in[(number + 2) % 3]
    # With places too: tested in both, trained on in neither.
    (folder / "both.json").write_text(json.dumps(files["C"] | {"test": ["chr3"], "valid": ["chr2"], "train": ["chr1"]}))
    mpira("train", *kind, "--set", f"holdout.folds={folder / 'both.json'}", "--output", folder / "both.safetensors", code=0)
    _, card = weights(folder / "both.safetensors")
    learned = {(r["kind"], r["cell_type"]): {c for c, _, _ in r["intervals"]} for r in card["seen"]}
    assert learned["expression", "B"] == {"chr1"} and learned["expression", "A"] == {"chr2"}, learned
    assert ("expression", "C") not in learned
    refused = mpira("train", *kind, "--set", f"holdout.folds={folder / 'types' / 'C.json'}", "--set",
                    "target.cell_type=A,B", "--output", folder / "no.safetensors", code=2)
    assert "'C'" in refused.text and "A, B" in refused.text, refused
    four = mpira("split", "--by", "cell_type", "--cell-types", "x,y,z/1,w", "--folds", 2, "--no-valid", "--output",
                 folder / "four", code=0)
    assert "test 2 cell types" in four.stdout
    assert json.loads((folder / "four" / "fold_0.json").read_text())["cell_types"]["test"] == ["x", "z/1"]


def wrong_inputs(folder):
    prepare(folder)
    sizes, bed, atlas = (folder / name for name in ("chrom.sizes", "regions.bed", "atlas.h5ad"))
    (folder / "short.sizes").write_text("chr1\t200000\nchr2\t120000\nchr3\t500\n")
    (folder / "few.sizes").write_text("chr1\t200000\nchr2\t120000\n")
    (folder / "bad.chain").write_text("chain 1 chr1 200000 + 0 9 chr1 200000 + 100 109 1\n8\n")
    (folder / "old.chain").write_text("chain 1 chr1 199999 + 0 9 chr1 200000 + 100 109 1\n9\n")
    homology = ["--by", "homology", "--chrom-sizes", sizes, "--folds", 3]
    cases = [
        (["--by", "genes"], ["genes"]),
        (["--by", "block"], ["--atlas"]),
        (["--by", "block", "--regions", bed], ["--chrom-sizes"]),
        (["--by", "block", "--regions", bed, "--atlas", atlas], ["one of"]),
        (["--by", "block", "--atlas", folder / "none.h5ad"], ["none.h5ad"]),
        (["--by", "block", "--chrom-sizes", folder / "none.sizes"], ["none.sizes"]),
        (["--by", "block", "--atlas", atlas, "--chrom-sizes", folder / "short.sizes"], ["chr3:1000-1300", "500 bp"]),
        (["--by", "chromosome", "--atlas", atlas, "--chrom-sizes", folder / "few.sizes"], ["'chr3'"]),
        (["--by", "chromosome", "--chrom-sizes", folder / "few.sizes"], ["3 folds", "--no-valid"]),
        (["--by", "chromosome", "--chrom-sizes", sizes, "--folds", 4], ["--folds 4"]),
        (["--by", "chromosome", "--chrom-sizes", sizes, "--block-bp", 5000], ["--block-bp", "chromosome"]),
        (["--by", "chromosome", "--chrom-sizes", sizes, "--alignment", "x"], ["--alignment", "homology"]),
        (["--by", "block", "--atlas", atlas, "--block-bp", 50000, "--margin-bp", 60000], ["validation", "margin"]),
        (["--by", "block", "--atlas", atlas, "--block-bp", "x"], ["--block-bp"]),
        (["--by", "homology", "--chrom-sizes", sizes], ["--alignment"]),
        (["--by", "homology", "--atlas", atlas, "--alignment", folder / "bad.chain", "--folds", 3], ["--chrom-sizes"]),
        (["--by", "homology", "--chrom-sizes", sizes, "--alignment", folder / "bad.chain"], ["--folds"]),
        ([*homology, "--alignment", folder / "bad.chain"], ["bad.chain line 2", "8 and 108"]),
        ([*homology, "--alignment", folder / "old.chain"], ["old.chain line 1", "199999"]),
        ([*homology, "--alignment", bed], ["regions.bed line 1", "chain"]),
        ([*homology, "--alignment", folder / "bad.chain", "--query-output", "q"], ["--query-chrom-sizes"]),
        ([*homology, "--alignment", bed, "--query-chrom-sizes", sizes, "--query-output", folder / "wrong"], ["--query-output"]),
        (["--by", "cell_type"], ["--cell-types"]),
        (["--by", "cell_type", "--atlas", atlas, "--cell-types", "bund"], ["bund", "bound"]),
        (["--by", "cell_type", "--cell-types", "a,b,a"], ["'a'", "twice"]),
        (["--by", "cell_type", "--cell-types", "a,b,c", "--margin-bp", 5], ["--margin-bp"]),
    ]
    for words, expected in cases:
        result = split(folder, *words, output="wrong", code=2)
        assert all(word in result.text for word in expected), f"not all of {expected} in\n{result}"
        assert not (folder / "wrong").exists() and not list(folder.glob(".wrong*")), result
    assert "no" in mpira("split", "--by", "chromosome", "--chrom-sizes", sizes, "--output", folder / "no" / "x", code=2).text
    # A folder makes way for a folder; nothing else does.
    good = ("--by", "chromosome", "--chrom-sizes", sizes)
    (folder / "mine").write_text("mine\n")
    assert "mine is no folder" in split(folder, *good, "--overwrite", output="mine", code=2).text
    assert (folder / "mine").read_text() == "mine\n"
    split(folder, *good, output="again")
    split(folder, *good, "--overwrite", output="again")
    split(folder, *good, "--overwrite", output="again")
    assert all(list((folder / name).iterdir()) for name in ("again", "again.old", "again.old.2"))

    right = {"train": ["chr1"], "valid": ["chr2"], "test": ["chr3"]}
    files = [
        ("{", ["is no JSON", "line 1"]), (right | {"tests": []}, ["tests", "'test'"]), (right | {"test": "3"}, ['"test"', "list"]),
        (right | {"test": ["chr3:5-x"]}, ['"test"', "chr3:5-x"]), (right | {"test": ["chr1:0-500"]}, ["overlaps", "chr1"]),
        (right | {"train": []}, ['"train"']), (right | {"test": ["3"]}, ['"test"', "'3'", "chr1, chr2, chr3"]),
        (right | {"valid": []}, ["validation.mode"]), (right | {"margin_bp": "wide"}, ["margin_bp"]),
        (right | {"test": ["chr3:0-10"]}, ["chr3:0-10"]), (right | {"train": ["chr1:0-10"]}, ["train"]),
        (right | {"cell_types": {"test": ["bound"], "train": ["other"]}}, ["other", "bound"]),
    ]
    file = folder / "wrong.json"
    for content, expected in files:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        result = train(folder, file, output="wrong.safetensors", code=2)
        assert all(word in result.text for word in expected), f"not all of {expected} in\n{result}"
        assert not (folder / "wrong.safetensors").exists()
    (folder / "empty").mkdir()
    assert "no fold file" in train(folder, folder / "empty", output="wrong.safetensors", code=2).text
    split(folder, "--by", "chromosome", "--atlas", atlas)
    two = train(folder, folder / "splits", output="wrong.safetensors", code=2)
    assert "holdout.fold" in two.text and "chr1, chr2, chr3" in two.text, two
    assert "did you mean 'chr1'" in train(folder, folder / "splits", "--set", "holdout.fold=chr11", output="w.safetensors",
                                           code=2).text
    print(f"  {len(cases) + len(files) + 4} wrong inputs refused by name")


if __name__ == "__main__":
    run_cases([designs, homology, read_by_train, read_by_folds, cell_types, wrong_inputs])
