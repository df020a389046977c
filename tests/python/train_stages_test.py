"""The stages of `mpira train` one after the other, on a small genome with a planted motif: masked pretraining, then full
fine-tuning and adaptors from it; what a base has seen; figures over promoters on their strand; cell types and motifs left
out; baselines; permuted labels."""

import json
import re
import tempfile
from pathlib import Path

import numpy as np

from mpira_test import mpira, read_anndata
from train_test import make_data, weights

ROOT = Path(__file__).resolve().parents[2]


def make_atlas(folder):
    """The regions of train_test, with two more cell types and expression: B is A with other labels, C is B again."""
    regions = [line.split("\t") for line in (folder / "regions.bed").read_text().splitlines()]
    peaks = {tuple(line.split("\t")[:2]) for line in (folder / "peaks.bed").read_text().splitlines()}
    names = [f"{chrom}:{start}-{end}" for chrom, start, end in regions]
    bound = np.array([(chrom, str(int(start) + 50)) in peaks for chrom, start, _ in regions], dtype=float)
    open_anywhere = np.random.default_rng(5).random((len(names), 3)) < [0.9, 0.8, 0.85]
    tables = {
        "accessibility.tsv": ("A B C".split(), np.where(open_anywhere, 0.2 + 0.8 * bound[:, None], 0)),
        "expression.tsv": ([f"{c}.{s}" for c in "ABC" for s in ("plus", "minus")],
                           np.stack([bound * (1 + 0.2 * i) for i in range(6)], 1)),
    }
    for file, (columns, values) in tables.items():
        lines = ["region\t" + "\t".join(columns)]
        lines += [name + "\t" + "\t".join(f"{v:.3f}" for v in row) for name, row in zip(names, values)]
        (folder / file).write_text("\n".join(lines) + "\n")
    scan_cells(folder, "cells.h5ad")
    (folder / "cells.toml").write_text(f"""
atlas = "{folder / 'cells.h5ad'}"
input = {{ accessibility = "quantitative", rows = "accessible", scale_set = "cell_type" }}
holdout.chromosomes = ["chr3"]
validation = {{ mode = "regions", regions = ["chr2:0-60000"] }}
window.regions = 12
model = {{ dim = 16, depth = 2, heads = 2, drop_path = 0.0 }}
train = {{ epochs = 4, batch = 8, lr = 5e-3, min_lr = 5e-5 }}
""")


def scan_cells(folder, output, *words):
    mpira("features", "--set", f"genome.fasta={folder / 'genome.fa'}", "--set", "genome.assembly=toy1",
          "--set", f"regions.bed={folder / 'regions.bed'}", "--set", f"motifs.file={folder / 'motifs.meme'}",
          "--set", "scan.length_bp=300", "--set", f"accessibility.table={folder / 'accessibility.tsv'}",
          "--set", f"expression.table={folder / 'expression.tsv'}", "--set", "scales=cell_type", *words,
          "--output", folder / output, code=0)


def train(folder, output, *words, code=0):
    words = [word for setting in words for word in (("--set", setting) if not setting.startswith("--") else (setting,))]
    run = mpira("train", "--config", folder / "cells.toml", *words, "--output", folder / output, code=code)
    return run if code else (run, *weights(folder / output))


def seen(card):
    return {(record["kind"], record["cell_type"]): record for record in card["seen"]}


def check_stages(folder):
    _, base, card = train(folder, "base.safetensors", "target.kind=masked", "target.cell_type=A,B",
                          "train.epochs=25")
    records = seen(card)
    assert set(records) == {("inputs", ""), ("accessibility", "A"), ("accessibility", "B")}, card["seen"]
    assert {chrom for chrom, _, _ in records["inputs", ""]["intervals"]} == {"chr1", "chr2"}
    assert card["architecture"]["head"] == "masked", card["architecture"]
    assert card["training"]["held_out"]["pearson"] > 0.15, card["training"]["held_out"]
    assert not (folder / "base.heldout.tsv").exists()

    kind = ["target.kind=expression", "target.expression={cell_type}.plus,{cell_type}.minus"]
    init = f"init.weights={folder / 'base.safetensors'}"
    run, full, full_card = train(folder, "full.safetensors", *kind, "target.cell_type=A", init, "train.epochs=25",
                                 "validation.test_curve=true")
    assert full_card["parents"] == [card["content_hash"]]
    print({name: c["training"]["held_out"]["pearson"] for name, c in (("masked", card), ("full", full_card))})
    assert full_card["training"]["held_out"]["pearson"] > 0.5, full_card["training"]["held_out"]
    assert not np.array_equal(full["region_embed.embed.weight"], base["region_embed.embed.weight"])
    assert {("expression", "A"), ("accessibility", "B")} <= set(seen(full_card))
    assert "never used for selection" in run.text
    assert run.text.count("regions.promoters") == 1, run.text  # the atlas has none: the headline is over all regions
    assert "sees other inputs" not in run.text, run.text
    lines = [json.loads(line) for line in (folder / "full.metrics.jsonl").read_text().splitlines()]
    assert all("test_never_used_for_selection" in line for line in lines)
    assert not any("base_saw" in line for line in lines), "chr3 was held out from the base, too"

    _, adaptor, lora_card = train(folder, "lora.safetensors", *kind, "target.cell_type=C", init, "lora.rank=2",
                                  "lora.alpha=4", "train.epochs=25")
    assert lora_card["adaptor"]["base"] == card["content_hash"]
    assert any(name.endswith("lora_A") for name in adaptor) and "encoder.norm.weight" not in adaptor
    assert lora_card["training"]["held_out"]["pearson"] > 0.3, lora_card["training"]["held_out"]


def check_what_a_base_has_seen(folder):
    init = f"init.weights={folder / 'full.safetensors'}"
    kind = ["target.kind=expression", "target.expression={cell_type}.plus,{cell_type}.minus"]
    elsewhere = ["holdout.chromosomes=chr1", "train.epochs=1"]
    refused = train(folder, "no.safetensors", *kind, "target.cell_type=A", init, *elsewhere, code=2)
    for word in ("full.safetensors", "held-out target", "expression", "of A", "chr1:"):
        assert word in refused.text, (word, refused)
    # Expression of another cell type there: runs, and says what was seen, in log, card and metrics.
    run, _, card = train(folder, "other.safetensors", *kind, "target.cell_type=C", init, *elsewhere)
    said = card["training"]["base_saw"]
    assert any("motif features" in text for text in said) and any("of A" in text for text in said), said
    assert all(text in run.text for text in said)
    # A base of other inputs runs too, and is named.
    run, _, _ = train(folder, "scaled.safetensors", "target.kind=masked", "target.cell_type=C", "train.epochs=1",
                      f"init.weights={folder / 'base.safetensors'}", "input.scale_set=all_regions")
    assert run.text.count("sees other inputs") == 1 and "input.scale_set" in run.text, run.text
    assert json.loads((folder / "other.metrics.jsonl").read_text().splitlines()[0])["base_saw"] == said


def check_promoters(folder):
    """Figures of expression are over the promoters on each column's strand, those of all entries apart."""
    regions = [line.split("\t") for line in (folder / "regions.bed").read_text().splitlines()]
    strands = [("", "+", "-", "+-", ".")[number * 7 % 5] for number in range(len(regions))]
    promoters = folder / "promoters.bed"
    promoters.write_text("".join(f"{chrom}\t{start}\t{int(start) + 1}\tp\t0\t{strand}\n"
                                 for (chrom, start, _), on in zip(regions, strands) for strand in on))
    words = ["--set", f"regions.promoters={promoters}"]
    scan_cells(folder, "stranded.h5ad", *words)
    kind = ["target.kind=expression", "target.expression={cell_type}.plus,{cell_type}.minus", "target.cell_type=A",
            "train.epochs=3"]
    run, _, card = train(folder, "stranded.safetensors", *kind, f"atlas={folder / 'stranded.h5ad'}")
    assert "promoters" not in run.text, run.text
    header, *rows = [line.split("\t") for line in (folder / "stranded.heldout.tsv").read_text().splitlines()]
    on = {f"{chrom}:{start}-{end}": on for (chrom, start, end), on in zip(regions, strands)}
    scored, predicted, target = [], [], []
    for row in rows:
        row = dict(zip(header, row))
        for name, strand in (("plus", "+"), ("minus", "-")):
            scored.append(on[row["region"]] == "." or strand in on[row["region"]])
            assert int(row[f"scored_{name}"]) == scored[-1], (row, on[row["region"]])
            predicted.append(float(row[f"predicted_{name}"]))
            target.append(float(row[f"target_{name}"]))
    scored, found = np.array(scored), card["training"]["held_out"]
    assert 0.4 < scored.mean() < 0.8 and found["entries"] == scored.sum(), (scored.mean(), found)
    for mask, figures in ((scored, found), (np.full(len(scored), True), found["all_entries"])):
        expected = np.corrcoef(np.array(predicted)[mask], np.array(target)[mask])[0, 1]
        assert abs(figures["pearson"] - expected) < 1e-6, (figures, expected)

    # Told nothing of strands, every promoter counts for both columns, and the log says so.
    promoters.write_text("".join("\t".join(line.split("\t")[:3]) + "\n" for line in promoters.read_text().splitlines()))
    scan_cells(folder, "unstranded.h5ad", *words)
    run, _, card = train(folder, "unstranded.safetensors", *kind, f"atlas={folder / 'unstranded.h5ad'}")
    assert "promoters of either strand" in run.text and "column 6" in run.text, run.text
    assert card["training"]["held_out"]["entries"] == 2 * sum(on[row[0]] != "" for row in rows)


def check_atlas_without_accessibility(folder):
    """Expression, and what is masked, are learned where nothing says what is accessible."""
    scan_cells(folder, "bare.h5ad", "--set", "accessibility.table=", "--set", "scales=all_regions")
    words = [f"atlas={folder / 'bare.h5ad'}", "input.accessibility=constant", "input.rows=all", "input.scale_set=all_regions",
             "train.epochs=1"]
    for kind in (["target.kind=expression", "target.expression=A.plus,A.minus"], ["target.kind=masked"]):
        _, _, card = train(folder, "bare.safetensors", *words, *kind, "--fresh", "--overwrite")
        assert not any(cell for _, cell in seen(card)), card["seen"]


def check_limits_that_f32_rounds(folder):
    """A limit of 0.7 keeps what the table has as 0.7, which is a little less as a float."""
    for name, old, new in (("accessibility", "0.200", "0.700"), ("expression", "0.000", "1.000")):
        (folder / f"rounded.{name}.tsv").write_text((folder / f"{name}.tsv").read_text().replace(old, new))
    scan_cells(folder, "rounded.h5ad", *(word for name in ("accessibility", "expression") for word in
                                         ("--set", f"{name}.table={folder}/rounded.{name}.tsv")), "--set", "accessibility.floor=0.7")
    values = np.array([line.split("\t")[1:] for line in (folder / "rounded.accessibility.tsv").read_text().splitlines()[1:]], float)
    np.testing.assert_array_equal(np.asarray(read_anndata(folder / "rounded.h5ad").obsm["accessibility"]) > 0, values > 0)
    words = [f"atlas={folder / 'rounded.h5ad'}", "target.kind=expression", "target.cell_type=A", "target.expression={cell_type}.plus,{cell_type}.minus",
             "input.least_accessibility=0.7", "train.epochs=0"]
    train(folder, "rounded.safetensors", *words, "target.least_accessibility=0.7")
    header, *rows = [line.split("\t") for line in (folder / "rounded.heldout.tsv").read_text().splitlines()]
    regions = [line.split("\t")[0] for line in (folder / "accessibility.tsv").read_text().splitlines()[1:]]
    assert len(rows) == sum(value > 0 and region.startswith("chr3:") for region, value in zip(regions, values[:, 0]))
    assert all(float(row[header.index("target_plus")]) == 1 for row in rows)
    assert "leave nothing out" in train(folder, "no.safetensors", *words, "input.cutoffs=0.7", code=2).text


def check_leaving_out(folder):
    kind = ["target.kind=expression", "target.expression={cell_type}.plus,{cell_type}.minus", "target.cell_type=*"]
    _, _, card = train(folder, "type.safetensors", *kind, "holdout.chromosomes=", "holdout.cell_types=B",
                       "validation.regions=", "validation.mode=next", "train.epochs=25")
    assert {cell for what, cell in seen(card) if what == "expression"} == {"A", "C"}, card["seen"]
    rows = [line.split("\t") for line in (folder / "type.heldout.tsv").read_text().splitlines()]
    assert rows[0][4] == "cell_type" and {row[4] for row in rows[1:]} == {"B"}
    assert card["training"]["held_out"]["pearson"] > 0.5, card["training"]["held_out"]
    _, _, card = train(folder, "both.safetensors", *kind, "holdout.cell_types=B", "train.epochs=1")
    rows = [line.split("\t") for line in (folder / "both.heldout.tsv").read_text().splitlines()]
    assert {(row[1], row[4]) for row in rows[1:]} == {("chr3", "B")}
    refused = train(folder, "no.safetensors", *kind, "holdout.cell_types=Bee", code=2)
    assert "Bee" in refused.text and "A, B, C" in refused.text, refused

    kind += ["input.accessibility=constant"]  # from motifs alone
    _, tensors, card = train(folder, "motif.safetensors", *kind, "input.left_out_motifs=boundA", "train.epochs=25")
    column = card["motifs"].index("boundA")
    assert not tensors["region_embed.embed.weight"][:, column].any()
    assert tensors["region_embed.embed.weight"].any(0).sum() == len(card["motifs"])
    blind = card["training"]["held_out"]["pearson"]
    with_motif = train(folder, "sees.safetensors", *kind, "train.epochs=25")[2]["training"]["held_out"]["pearson"]
    assert with_motif > blind + 0.2, (with_motif, blind)
    trained = [int(re.search(r"(\d+) regions to train on", train(folder, output, *kind, *words, "train.epochs=1")[0].text)[1])
               for output, words in (("all.safetensors", []), ("carriers.safetensors", ["holdout.motifs=boundA"]))]
    assert 0.5 * trained[0] < trained[1] < 0.8 * trained[0], trained  # 35 % carry it

    # Cut-offs: only regions at 0.9 or more are rows, or only their expression counts.
    bound = ["input.rows=accessible", "train.epochs=0", "target.cell_type=B"]
    for words, rows, nonzero in ((["input.least_accessibility=0.9"], 1, True), (["target.least_accessibility=2"], 3, False)):
        train(folder, "cut.safetensors", *kind, *bound, *words, "--fresh", "--overwrite")
        table = [line.split("\t") for line in (folder / "cut.heldout.tsv").read_text().splitlines()[1:]]
        assert {float(row[4]) > 0 for row in table} == {nonzero} and (len(table) > 40) == (rows == 3), (words, len(table))

    # What is asked of such a model has the regions of its training, unless told otherwise.
    train(folder, "cut.safetensors", *kind, *bound, "input.least_accessibility=0.9", "--fresh", "--overwrite")
    open_ones = {row[0]: float(row[2]) for row in (line.split("\t") for line in (folder / "accessibility.tsv").read_text().splitlines())
                 if row[0] != "region" and float(row[2]) > 0}
    for regions, least in (("model", 0.9), ("accessible", 0)):
        mpira("predict", "--set", f"atlas.file={folder / 'cells.h5ad'}", "--set", f"model.weights={folder / 'cut.safetensors'}",
              "--set", f"windows.regions={regions}", "--set", "windows.ends=shift", "--output", folder / f"cut.{regions}.h5ad", code=0)
        found = read_anndata(folder / f"cut.{regions}.h5ad").obs
        names = {f"{row.chrom}:{row.region_start}-{row.region_end}" for row in found.itertuples()}
        assert names == {name for name, value in open_ones.items() if value >= least}, (regions, len(names))
    assert "accessible, at least 0.9" in mpira("weights", folder / "cut.safetensors", code=0).text
    assert "least_accessibility" not in weights(folder / "motif.safetensors")[1]

    # Augmentation: the regions of two cutoffs beside all, in training alone; each region is scored once.
    def regions_of(output, *words):
        run, _, card = train(folder, output, *kind, "input.rows=accessible", "target.cell_type=A,B", "train.epochs=2",
                             "input.accessibility=quantitative", *words)
        rows = (folder / output).with_suffix(".heldout.tsv").read_text().splitlines()
        return int(re.search(r"(\d+) regions to train on", run.text)[1]), [row.split("\t")[0:3] for row in rows], card

    signal = [line.split("\t") for line in (folder / "accessibility.tsv").read_text().splitlines()[1:]]
    place = lambda name: (name.split(":")[0], sum(map(int, name.split(":")[1].split("-"))) // 2)
    in_training = [row for row in signal if place(row[0])[0] != "chr3" and not (place(row[0])[0] == "chr2" and place(row[0])[1] < 60000)]
    more = sum(float(row[1 + cell]) >= 0.5 for row in in_training for cell in (0, 1))
    alone, augmented = regions_of("alone.safetensors"), regions_of("augmented.safetensors", "input.cutoffs=[0.1, 0.5]")
    assert augmented[0] - alone[0] in range(more - 4, more + 1) and more > 40, (alone[0], augmented[0], more)
    assert augmented[1] == alone[1] and augmented[2]["seen"] == alone[2]["seen"]
    assert augmented[2]["content_hash"] != alone[2]["content_hash"]

    _, _, card = train(folder, "permuted.safetensors", *kind, "target.permute_labels=3", "train.epochs=25")
    assert abs(card["training"]["held_out"]["pearson"]) < 0.25 < with_motif
    print(f"held out: Pearson {with_motif:.2f}, without the motif {blind:.2f}, labels permuted "
          f"{card['training']['held_out']['pearson']:.2f}")


def check_baselines_and_wrong_inputs(folder):
    kind = ["target.kind=expression", "target.expression={cell_type}.plus,{cell_type}.minus", "target.cell_type=A,B"]
    for name in ("cnn", "mlp"):
        _, _, card = train(folder, f"{name}.safetensors", *kind, f"model.kind={name}", "train.epochs=25",
                           "train.lr=2e-3")
        assert card["architecture"]["network"] == name.upper()
        assert card["training"]["held_out"]["pearson"] > 0.3, card["training"]["held_out"]
        assert "finished already" in train(folder, f"{name}.safetensors", *kind, f"model.kind={name}",
                                           "train.epochs=25", "train.lr=2e-3")[0].text
    wrong = [
        (["lora.rank=4"], "init.weights"), (["model.kind=mlp", f"init.weights={folder / 'base.safetensors'}"], "MLP"),
        (["target.expression=A.plus"], "{cell_type}"), (["target.cell_type=A,A"], "twice"),
        (["input.left_out_motifs=bound"], "boundA"), (["train.patience=3", "validation.mode=none", "validation.regions="], "train.patience"),
        ([f"init.weights={folder / 'lora.safetensors'}"], "adaptor"), (["init.weights=nowhere"], "nowhere"),
        ([f"init.weights={folder / 'base.safetensors'}", "model.dim=32"], "model.dim: it is 16 in init.weights"),
        (["input.cutoffs=0.5", "input.rows=all", "input.accessibility=constant"], "goes with input.rows"),
        (["input.cutoffs=0.5,0.3"], "'0.3': write numbers above 0 that ascend"), (["input.cutoffs=x"], "'x'"),
        (["input.cutoffs=0.1"], "leave nothing out"), (["input.cutoffs=0.5,3"], "reaches 3; its accessible ones have 0.2 to 1"),
        (["target.kind=masked", "target.expression=", "model.kind=cnn"], "masking"),
        (["target.kind=accessibility", "input.accessibility=constant"], "target.expression: is of target.kind"),
        (["target.kind=masked", "target.expression=", "target.least_accessibility=0.1"], "target.least_accessibility: is of"),
        (["mask.ratio=0.3"], "mask.ratio: is of"), (["lora.alpha=4"], "lora.alpha: is of adaptors"), (["holdout.motif_cutoff=0.3"], "says who carries holdout.motifs"), (["train.ema_decay=1"], "train.ema_decay"),
    ]
    for words, expected in wrong:
        result = train(folder, "no.safetensors", *kind, *words, code=2)
        assert expected in result.text, (words, result)


def check_paper_configs(folder):
    """config/train_*.toml one after the other, as they are but for the network's size and one epoch, on a small atlas with
    the chromosomes and cell types they name."""
    draw = np.random.default_rng(7)
    chroms = [f"chr{i}" for i in range(10, 15)]
    (folder / "paper.fa").write_text("".join(f">{c}\n{''.join(draw.choice(list('ACGT'), 26000))}\n" for c in chroms))
    regions = [(c, start, start + 300) for c in chroms for start in range(1000, 25000, 1000)]
    (folder / "paper.bed").write_text("".join(f"{c}\t{a}\t{b}\n" for c, a, b in regions))
    cells = ["astrocyte", "neuron", "K562"]
    strands = [f"{cell}.{strand}" for cell in cells for strand in ("plus", "minus")]
    for what, columns in (("accessibility", cells), ("expression", strands)):
        rows = [f"{c}:{a}-{b}\t" + "\t".join(f"{v:.2f}" for v in draw.random(len(columns))) for c, a, b in regions]
        (folder / f"paper.{what}.tsv").write_text("\n".join(["region\t" + "\t".join(columns), *rows]) + "\n")
    mpira("features", "--set", f"genome.fasta={folder / 'paper.fa'}", "--set", "genome.assembly=toy1",
          "--set", f"regions.bed={folder / 'paper.bed'}", "--set", f"motifs.file={folder / 'motifs.meme'}",
          "--set", "scan.length_bp=300", "--set", f"accessibility.table={folder / 'paper.accessibility.tsv'}",
          "--set", f"expression.table={folder / 'paper.expression.tsv'}", "--set", "scales=cell_type",
          "--output", folder / "paper.h5ad", code=0)
    pretrained = f"init.weights={folder / 'paper.pretrain.safetensors'}"
    for name, words, head in (
            ("pretrain", ["target.cell_type=astrocyte,neuron", "model.dim=24", "model.depth=2", "model.heads=2"], "masked"),
            ("finetune", [pretrained], "expression"), ("lora", [pretrained], "accessibility")):
        output = folder / f"paper.{name}.safetensors"
        words = [word for key in [f"atlas={folder / 'paper.h5ad'}", "train.epochs=1", "window.regions=12", *words]
                 for word in ("--set", key)]
        run = mpira("train", "--config", ROOT / "config" / f"train_{name}.toml", *words, "--output", output, code=0)
        assert "sees other inputs" not in run.text, run.text
        _, card = weights(output)
        assert card["architecture"]["head"] == head, (name, card["architecture"])
    assert card["adaptor"]["rank"] == 8, card["adaptor"]


def main():
    with tempfile.TemporaryDirectory(prefix="mpira-stages-") as name:
        folder = Path(name)
        make_data(folder)
        make_atlas(folder)
        check_stages(folder)
        check_what_a_base_has_seen(folder)
        check_promoters(folder)
        check_atlas_without_accessibility(folder)
        check_limits_that_f32_rounds(folder)
        check_leaving_out(folder)
        check_baselines_and_wrong_inputs(folder)
        check_paper_configs(folder)


if __name__ == "__main__":
    main()
