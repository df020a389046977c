"""The pages of config/notebooks, run in a folder that the commands of docs/ have filled (docs_test.py): each writes its
figure, what the figure shows is what h5py reads from the file, and network.py also draws a causal network."""
import contextlib
import io
import os
import re
from pathlib import Path

import h5py
import matplotlib
import numpy as np

PAGES = Path(__file__).resolve().parents[2] / "config/notebooks"


def run(page, folder, **names):
    """What the page's variables hold at its end; `names`: other values of those in its first cell."""
    matplotlib.use("Agg")
    text = (PAGES / page).read_text()
    for name, value in names.items():
        text, count = re.subn(rf'^{name} = ".*"$', f'{name} = "{value}"', text, flags=re.M)
        assert count == 1, f"{page} sets no {name}"
    figure = folder / re.search(r'^figure = "(.*)"$', text, re.M)[1]
    figure.unlink(missing_ok=True)
    variables = {"__name__": "__main__"}
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, page, "exec"), variables)  # noqa: S102  the pages are ours
    finally:
        os.chdir(before)
    assert figure.read_bytes().startswith(b"\x89PNG") and figure.stat().st_size > 5000, f"{page} wrote no figure"
    return variables


def text_of(dataset):
    return [value.decode() for value in dataset[:]]


def same(page, drawn, read):
    drawn, read = np.asarray(drawn, dtype=float), np.asarray(read, dtype=float)
    assert drawn.shape == read.shape and read.size, f"{page}: {drawn.shape} drawn, {read.shape} in the file"
    np.testing.assert_allclose(drawn, read, rtol=1e-5, atol=1e-7, err_msg=page)


def atlas(folder):
    page = run("atlas.py", folder)
    with h5py.File(folder / page["file"], "r") as file:
        scaled = np.minimum(file["X"][:] / file["varm/scale"][:, 0], 1)
        open_in = file["obsm/accessibility"][:, text_of(file["uns/cell_types"]).index(page["cell_type"])] > 0
        ids = text_of(file["var/name"])
        wanted = [ids.index(motif) for motif in page["top"].index]
    same("atlas.py", [bar.get_width() for bar in page["axes"].containers[0]], scaled[open_in][:, wanted].mean(axis=0))
    same("atlas.py", [bar.get_width() for bar in page["axes"].containers[1]], scaled[~open_in][:, wanted].mean(axis=0))


def folds(folder):
    page = run("folds.py", folder)
    with h5py.File(folder / page["file"], "r") as file:
        figures, curves = file["X"][:], file["obsm/curves"][:]
        scored = file["obsm/heldout_scored"][0, :, 0] == 1
        points = np.stack([file["obsm/heldout_predicted"][0, :, 0], file["obsm/heldout_target"][0, :, 0]], axis=1)[scored]
        pearson = text_of(file["var/figure"]).index("pearson")
    for run_, line in enumerate(page["left"].lines):
        same("folds.py", line.get_ydata(), curves[run_, :, 0])
    same("folds.py", [bar.get_height() for bar in page["middle"].containers[0]], figures[:, pearson])
    same("folds.py", page["right"].collections[0].get_offsets(), points)
    # What the points say is what the file's own figure says.
    same("folds.py", np.corrcoef(points.T.astype(float))[0, 1], figures[0, pearson])


def lentimpra(folder, **names):
    page = run("lentimpra.py", folder, **names)
    with h5py.File(folder / page["file"], "r") as file:
        columns, x = text_of(file["var/statistic"]), file["X"][:]
    column = lambda what: x[:, columns.index(f"{page['quantity']}.{what}")]
    same("lentimpra.py", page["left"].lines[0].get_ydata(), np.sort(column("element-uninserted.mean"))[::-1])
    same("lentimpra.py", page["right"].collections[0].get_offsets(),
         np.stack([column("shuffled.mean"), column("element.mean")], axis=1))


def jacobian(folder):
    page = run("jacobian.py", folder)
    with h5py.File(folder / page["file"], "r") as file:
        values = file["uns/gene_by_motif"][:]
        features = text_of(file["var/feature"])
        names = [file["obs/gene_name/categories"][code].decode() for code in file["obs/gene_name/codes"][:]]
        rows = {names[row]: gene for gene, row in enumerate(file["uns/gene_first_row"][:])}
    shown = page["shown"]
    wanted = np.ix_([rows[gene] for gene in shown.index], [features.index(motif) for motif in shown.columns])
    same("jacobian.py", page["right"].images[0].get_array(), values[wanted])
    strength = np.sort(np.abs(values[:, :-1]).mean(axis=0))[-15:]
    same("jacobian.py", [bar.get_width() for bar in page["left"].containers[0]], strength)


def network(folder, **names):
    page = run("network.py", folder, **names)
    with h5py.File(folder / page["file"], "r") as file:
        motifs, spearman = text_of(file["var/motif"]), file["varp/spearman"][:]
        effects = file["varp/lingam"][:] if "lingam" in file["varp"] else np.zeros_like(spearman)
    wanted = [motifs.index(motif) for motif in page["shown"].index]
    same("network.py", page["axes"].images[0].get_array(), spearman[np.ix_(wanted, wanted)])
    assert len(page["edges"]) == np.count_nonzero(effects)
    if len(page["edges"]):
        same("network.py", np.abs(page["edges"]["effect"].iloc[:1]), [np.abs(effects).max()])
    return len(page["edges"])


def check(folder):
    import matplotlib.pyplot as plt

    assert {path.stem for path in PAGES.glob("*.py")} == {"atlas", "folds", "lentimpra", "jacobian", "network"}
    atlas(folder)
    folds(folder)
    lentimpra(folder)
    lentimpra(folder, file="mine/screen.h5ad")  # a model of two strands
    jacobian(folder)
    network(folder)
    edges = network(folder, file="mine/network.h5ad", atlas_file="mine/atlas.h5ad")
    assert edges > 3, "mine/network.h5ad has a causal network"
    plt.close("all")
    print("config/notebooks: 5 pages, their figures hold what the files hold")
