"""Which models a screen accepts for which elements: held out wholly, alike in window, one scale set; in both models."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import mpira, read_anndata, run_cases
from toy import make_inputs, screen_toml, write_weights

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
    (folder / "table.tsv").write_text("g1\taccessibility.safetensors\ng2\taccessibility.safetensors\n")
    run(folder, "--set", f"elements.groups={folder}/groups.tsv", "--set",
        f"accessibility.weights_by_group={folder}/table.tsv")
    assert "accessibility.element.mean" in read_anndata(folder / "out.h5ad").var_names


if __name__ == "__main__":
    run_cases([held_out_wholly, one_base_seen_is_refused, the_accessibility_model_may_not_have_seen_it_either,
               sites_avoid_what_either_model_holds_out, another_accessibility_head_is_refused,
               groups_of_the_accessibility_models_alone])
