"""Which models a screen accepts for which elements: held out wholly, alike in window, one scale set; in both models."""
import gzip
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import mpira, read_anndata, run_cases
from toy import SCAN_BP, make_inputs, scales_of, screen_toml, write_weights

SETTINGS = "unseen_locus = \"refuse\"\n[sites]\ninsertions = 4\n[controls]\nshuffles = 0\n"


def prepare(folder, held_out, accessibility_held_out=None):
    make_inputs(folder)
    atlas = read_anndata(folder / "atlas.h5ad")
    write_weights(folder / "expression.safetensors", atlas, "expression", 1, held_out)
    write_weights(folder / "accessibility.safetensors", atlas, "accessibility", 2,
                  held_out if accessibility_held_out is None else accessibility_held_out)
    (folder / "elements.bed").write_text("chr2\t2100\t2160\ta\nchr2\t2940\t3000\tb\n")
    toml = screen_toml(folder, folder / "out.h5ad", SETTINGS).replace(
        f'fasta = "{folder}/elements.fa"', f'bed = "{folder}/elements.bed"\ngenome = "{folder}/genome.fa"')
    (folder / "screen.toml").write_text(toml)


def run(folder, *words, code=0):
    return mpira("lentimpra", "--config", folder / "screen.toml", *words, code=code)


def held_out_wholly(folder):
    prepare(folder, [["chr2", 2000, 2500], ["chr2", 2500, 3000]])
    run(folder)


def one_base_seen_is_refused(folder):
    prepare(folder, [["chr2", 2000, 2999]])
    assert "1 of 2 elements" in run(folder, code=2).text


def the_accessibility_model_may_not_have_seen_it_either(folder):
    prepare(folder, [["chr2", 2000, 3000]], [["chr2", 4000, 5000]])
    result = run(folder, "--set", f"accessibility.weights={folder}/accessibility.safetensors", code=2)
    assert "2 of 2 elements" in result.text, result


def sites_avoid_what_either_model_holds_out(folder):
    prepare(folder, [["chr2", 2000, 3000]], [["chr2", 2000, 3000], ["chr1", 0, 9000]])
    run(folder, "--set", f"accessibility.weights={folder}/accessibility.safetensors")
    both = read_anndata(folder / "out.h5ad")
    run(folder, "--output", folder / "one.h5ad")
    one = read_anndata(folder / "one.h5ad")
    # Fewer sites: the same draws name others.
    assert (both.to_df()["plus.element.mean"] != one.to_df()["plus.element.mean"]).all()


def another_accessibility_head_is_refused(folder):
    prepare(folder, [["chr2", 2000, 3000]])
    result = run(folder, "--set", f"model.weights={folder}/accessibility.safetensors", "--set",
                 f"accessibility.weights={folder}/accessibility.safetensors", code=2)
    assert "accessibility head already" in result.text, result


def groups_of_the_accessibility_models_alone(folder):
    prepare(folder, [["chr2", 2000, 3000]])
    (folder / "groups.tsv").write_text("a\tg1\nb\tg2\n")
    table = b"g1\taccessibility.safetensors\ng2\taccessibility.safetensors\n"
    (folder / "table.tsv.gz").write_bytes(gzip.compress(table))
    run(folder, "--set", f"elements.groups={folder}/groups.tsv", "--set",
        f"accessibility.weights_by_group={folder}/table.tsv.gz")
    assert "accessibility.element.mean" in read_anndata(folder / "out.h5ad").var_names


def each_group_is_divided_by_its_own_models_scales(folder):
    prepare(folder, [["chr2", 2000, 3000]])
    mpira("features", "--config", folder / "features.toml", "--set", "scales=cell_type", "--fresh", "--overwrite", code=0)
    atlas = read_anndata(folder / "atlas.h5ad")
    for scale_set in ("all_regions", "toy_cell"):
        write_weights(folder / f"{scale_set}.safetensors", atlas, "expression", 1, [["chr2", 2000, 3000]],
                      scale_set=scale_set)
    # The same sequence in both groups, and once more as the other strand's.
    (folder / "elements.bed").write_text("".join(f"chr2\t2100\t2160\t{name}\t0\t{strand}\n" for name, strand in
                                                 (("a", "+"), ("b", "+"), ("c", "-"), ("d", "."))))
    (folder / "groups.tsv").write_text("a\tg1\nb\tg2\nc\tg1\nd\tg1\n")
    (folder / "table.tsv").write_text("g1\tall_regions.safetensors\ng2\ttoy_cell.safetensors\n")
    run(folder, "--set", f"elements.groups={folder}/groups.tsv", "--set", "model.weights=", "--set",
        f"model.weights_by_group={folder}/table.tsv", "--set", "elements.vector=")
    screen = read_anndata(folder / "out.h5ad")
    features = np.asarray(screen.obsm["features"])
    scales = {name: scales_of(atlas, name) for name in ("all_regions", "toy_cell")}
    assert (scales["all_regions"] != scales["toy_cell"]).any()
    raw = features[0] * scales["all_regions"]
    assert raw.any() and features[0].max() < 1
    np.testing.assert_allclose(features[1], np.minimum(1, raw / scales["toy_cell"]), atol=1e-6)
    np.testing.assert_array_equal(features[3], features[0])
    assert list(screen.obs["strand"]) == ["+", "+", "-", "."]

    with_vector = ["--set", f"elements.groups={folder}/groups.tsv", "--set", "model.weights=", "--set",
                   f"model.weights_by_group={folder}/table.tsv"]
    run(folder, *with_vector, "--output", folder / "vector.h5ad")
    screen = read_anndata(folder / "vector.h5ad")
    vector = np.asarray(screen.uns["vector_features"])
    assert list(screen.uns["vector_scale_sets"]) == ["all_regions", "toy_cell"] and vector.shape == (2, atlas.n_vars)
    np.testing.assert_allclose(np.minimum(1, vector[0] * scales["all_regions"] / scales["toy_cell"]), vector[1], atol=1e-6)
    assert vector[0].any()

    # The '-' element is what a FASTA holds as its reverse complement; in a vector the strand shows.
    sequence = "".join((folder / "genome.fa").read_text().split(">")[2].split("\n")[1:])[2100:2160]
    reverse = sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))
    (folder / "elements.fa").write_text(f">a\n{sequence}\n>b\n{sequence}\n>c\n{reverse}\n>d\n{sequence}\n")
    run(folder, *with_vector, "--set", "elements.bed=", "--set", f"elements.fasta={folder}/elements.fa", "--output",
        folder / "fasta.h5ad")
    as_fasta = read_anndata(folder / "fasta.h5ad")
    np.testing.assert_array_equal(np.asarray(as_fasta.obsm["features"]), np.asarray(screen.obsm["features"]))
    np.testing.assert_array_equal(np.asarray(as_fasta.X), np.asarray(screen.X))
    assert "strand" not in as_fasta.obs


def scales_of_the_cell_type_that_is_named(folder):
    """A model trained with each cell type's scales, read in one of them: the same as with that one's scales in its card."""
    prepare(folder, [])
    mpira("features", "--config", folder / "features.toml", "--set", "scales=cell_type", "--fresh", "--overwrite", code=0)
    atlas = read_anndata(folder / "atlas.h5ad")
    write_weights(folder / "fixed.safetensors", atlas, "expression", 1, [], scale_set="toy_cell")
    write_weights(folder / "each.safetensors", atlas, "expression", 1, [], scale_set="toy_cell",
                  card={"scale_set": "cell_type", "cell_type": ""})
    fixed = ["--set", f"model.weights={folder}/fixed.safetensors", "--set", "model.unseen_locus=ignore"]
    each = ["--set", f"model.weights={folder}/each.safetensors", "--set", "model.unseen_locus=ignore"]
    run(folder, *fixed, "--output", folder / "fixed.h5ad")
    run(folder, *each, "--set", "atlas.cell_type=toy_cell", "--output", folder / "each.h5ad")
    one, other = read_anndata(folder / "fixed.h5ad"), read_anndata(folder / "each.h5ad")
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.obsm["features"], other.obsm["features"])
    assert list(other.uns["vector_scale_sets"]) == ["toy_cell"]
    for words in ([], ["--set", "atlas.cell_type=toy_cel"]):
        text = run(folder, *each, *words, "--output", folder / "never.h5ad", code=2).text
        assert "atlas.cell_type" in text and "scales of each cell type" in text, text

    (folder / "predict.toml").write_text(f'[atlas]\nfile = "{folder}/atlas.h5ad"\n')
    for name, cell_type in (("fixed", "toy_cell"), ("each", "toy_cell")):
        mpira("predict", "--config", folder / "predict.toml", "--set", f"model.weights={folder}/{name}.safetensors", "--set",
              f"cell_types={cell_type}", "--output", folder / f"{name}.predicted.h5ad", code=0)
    one, other = (read_anndata(folder / f"{name}.predicted.h5ad") for name in ("fixed", "each"))
    assert one.n_obs == atlas.n_obs
    np.testing.assert_array_equal(one.X, other.X)
    text = mpira("predict", "--config", folder / "predict.toml", "--set", f"model.weights={folder}/each.safetensors",
                 "--output", folder / "never.h5ad", code=2).text
    assert "cell_types: give one name" in text and "each.safetensors has no cell_type" in text, text


def sites_are_the_regions_of_training(folder):
    """Those that a model's card calls accessible enough: none where nothing reaches its limit."""
    prepare(folder, [["chr2", 2000, 3000]])
    atlas = read_anndata(folder / "atlas.h5ad")
    for least in (1, 2):
        write_weights(folder / f"{least}.safetensors", atlas, "expression", 1, [["chr2", 2000, 3000]],
                      card={"window_regions": "accessible", "least_accessibility": least})
    run(folder, "--set", f"model.weights={folder}/1.safetensors")
    none = ["--set", f"model.weights={folder}/2.safetensors", "--output", folder / "none.h5ad"]
    assert "sites" in run(folder, *none, code=2).text
    run(folder, *none, "--set", "sites.regions=accessible")
    np.testing.assert_array_equal(read_anndata(folder / "none.h5ad").X, read_anndata(folder / "out.h5ad").X)
    (folder / "groups.tsv").write_text("a\tg1\nb\tg2\n")
    (folder / "table.tsv").write_text("g1\t1.safetensors\ng2\t2.safetensors\n")
    assert "differ in input.least_accessibility" in run(
        folder, "--set", "model.weights=", "--set", f"model.weights_by_group={folder}/table.tsv", "--set",
        f"elements.groups={folder}/groups.tsv", code=2).text


def elements_without_motif_or_too_long_are_told(folder):
    prepare(folder, [])
    (folder / "elements.fa").write_text((folder / "elements.fa").read_text() + ">bare\nNNNNNNNNNN\n")
    result = run(folder, "--set", "elements.bed=", "--set", f"elements.fasta={folder}/elements.fa", "--set",
                 "elements.vector=")
    screen = read_anndata(folder / "out.h5ad")
    bare = screen.obs["no_motif"].to_numpy()
    cut = screen.obs["cut_to_middle"].to_numpy()
    assert bare[-1] and not bare.all() and cut.sum() == 3, screen.obs  # of 80, 61 and 80 bp; 60 are scanned
    assert f"{bare.sum()} of 7 elements have no motif" in result.text, result
    assert "3 of 7 elements are longer than the 60 bp" in result.text, result
    assert f"of 7 elements, {bare.sum()} have no motif (obs/no_motif) and 3 are cut" in result.text, result


def what_a_base_or_a_scan_window_read_was_seen(folder):
    """Models really trained: one that nothing has seen there, one whose pretraining read everything, and one beside whose
    held-out interval the next region's scan reaches into it."""
    make_inputs(folder)
    lines = [line.split("\t") for line in (folder / "regions.bed").read_text().splitlines()]
    starts = sorted(int(start) for chrom, start, _ in lines if chrom == "chr2")
    first, end = starts[8], starts[14]  # where a region begins
    (folder / "elements.bed").write_text(f"chr2\t{first + 100}\t{first + 160}\tinside\nchr2\t{end - 60}\t{end}\tborder\n")
    (folder / "screen.toml").write_text(screen_toml(folder, folder / "out.h5ad", SETTINGS).replace(
        f'fasta = "{folder}/elements.fa"', f'bed = "{folder}/elements.bed"\ngenome = "{folder}/genome.fa"'))

    def trained(name, *words):
        words = [f"atlas={folder}/atlas.h5ad", "validation.mode=none", "window.regions=9", "model.dim=16", "model.depth=1",
                 "model.heads=2", "train.epochs=1", *words]
        mpira("train", *(word for setting in words for word in ("--set", setting)), "--output", folder / name, code=0)
        return ["--set", f"model.weights={folder}/{name}"]

    held_out = ["target.cell_type=toy_cell", f"holdout.regions=chr2:{first}-{end}"]
    apart = trained("apart.safetensors", *held_out, f"holdout.margin_bp={SCAN_BP // 2}")
    run(folder, *apart)
    assert read_anndata(folder / "out.h5ad").obs["unseen"].all()

    near = trained("near.safetensors", *held_out)
    text = run(folder, *near, "--output", folder / "near.h5ad", code=2).text
    assert "1 of 2 elements" in text and "'border'" in text and "1 where it or a base" in text and "30 bp" in text, text
    run(folder, *near, "--set", "model.unseen_locus=warn", "--output", folder / "near.h5ad")
    assert list(read_anndata(folder / "near.h5ad").obs["unseen"]) == [True, False]

    trained("pretrained.safetensors", "target.kind=masked")
    tuned = trained("tuned.safetensors", *held_out, f"holdout.margin_bp={SCAN_BP // 2}",
                    f"init.weights={folder}/pretrained.safetensors")
    text = run(folder, *tuned, "--output", folder / "tuned.h5ad", code=2).text
    assert "2 of 2 elements" in text and "2 where only inputs were seen" in text and "0 where it or a base" in text, text

    # A record of another assembly counts everywhere; one that can't be read is refused by file.
    atlas = read_anndata(folder / "atlas.h5ad")
    record = {"kind": "inputs", "cell_type": "", "columns": [], "assembly": "toy", "intervals": [["chr1", 0, 9000]]}
    for seen, code, said in (([record], 0, "2 elements"), ([record | {"assembly": "other"}], 2, "2 where only inputs were seen"),
                             ([{"kind": "inputs"}], 2, "odd.safetensors: the record of what was seen can't be read")):
        write_weights(folder / "odd.safetensors", atlas, "expression", 1, [["chr2", first, end]], card={"seen": seen})
        text = run(folder, "--set", f"model.weights={folder}/odd.safetensors", "--output", folder / f"odd{code}.h5ad", code=code).text
        assert said in text, text


if __name__ == "__main__":
    run_cases([held_out_wholly, one_base_seen_is_refused, the_accessibility_model_may_not_have_seen_it_either,
               sites_avoid_what_either_model_holds_out, another_accessibility_head_is_refused,
               groups_of_the_accessibility_models_alone, each_group_is_divided_by_its_own_models_scales,
               scales_of_the_cell_type_that_is_named, sites_are_the_regions_of_training,
               elements_without_motif_or_too_long_are_told, what_a_base_or_a_scan_window_read_was_seen])
