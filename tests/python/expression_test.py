"""`mpira features` with expression by gene, against pandas: targets of two strands from a table of TPM or counts and a GTF,
promoters, and the gate by accessibility; the same bytes at any number of ranks; wrong inputs."""
import gzip
import tempfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scipy.sparse

import toy
from mpira_test import assert_equal_results, mpira, read_anndata

FLANK_BP = 40
CELL_TYPES = ["toy_cell", "elsewhere"]


def make_genes(folder):
    """genes.gtf and genes.tsv (TPM) around the toy's regions; the annotation as a frame."""
    rng = np.random.default_rng(11)
    regions = pd.read_csv(folder / "regions.bed", sep="\t", header=None, names=["chrom", "start", "end"])
    lines, starts = [], []
    for number in range(120):
        region = regions.iloc[int(rng.integers(len(regions)))]
        strand = "+-"[int(rng.integers(2))]
        gene, name = f"G{number:03}", f"name{number}"
        for transcript in range(int(rng.integers(1, 4))):
            at = max(1, int(region.start + rng.integers(-120, 220)))  # counted from 1
            low, high = (at, at + 50) if strand == "+" else (max(1, at - 50), at)
            starts.append((gene, name, region.chrom, (low if strand == "+" else high) - 1, strand))
            lines.append(f'{region.chrom}\ttest\ttranscript\t{low}\t{high}\t.\t{strand}\t.\tgene_id "{gene}"; '
                         f'gene_name "{name}"; transcript_id "T{number}.{transcript}";')
    with gzip.open(folder / "genes.gtf.gz", "wt") as out:
        out.write("\n".join(lines) + "\n")
    tpm = pd.DataFrame(np.round(rng.gamma(0.5, 40, (120, 2)), 3), columns=CELL_TYPES,
                       index=[f"G{n:03}" if n % 2 else f"name{n}" for n in range(120)])
    tpm = tpm.drop(index="G007")
    tpm.loc["unheard"] = [5, 6]
    tpm.sample(frac=1, random_state=3).to_csv(folder / "genes.tsv", sep="\t", index_label="gene")
    return regions, pd.DataFrame(starts, columns=["id", "name", "chrom", "position", "strand"]).drop_duplicates(), tpm


def expected(regions, starts, tpm, accessible, *, counts, sum_before_log, least):
    """(regions, cell types x strands), and the promoters as (id, row, strand)."""
    if counts:
        tpm = tpm / tpm.sum() * 1e6
    values = pd.concat([starts.merge(tpm, left_on=key, right_index=True) for key in ("id", "name")])
    pairs = values.merge(regions.reset_index(names="row"), on="chrom")
    pairs = pairs[(pairs.start <= pairs.position + FLANK_BP) & (pairs.end > pairs.position - FLANK_BP)]
    pairs = pairs.drop_duplicates(["id", "row", "strand"])
    out = np.zeros((len(regions), 4))
    for (row, strand), group in pairs.groupby(["row", "strand"]):
        for i, cell_type in enumerate(CELL_TYPES):
            if cell_type == "toy_cell" and accessible[row] < least:
                continue
            tpms = group[cell_type]
            out[row, 2 * i + (strand == "-")] = np.log10(tpms.sum() + 1) if sum_before_log else np.log10(tpms + 1).mean()
    return out, set(zip(pairs.id, pairs.row, pairs.strand))


def main():
    scratch = tempfile.TemporaryDirectory(prefix="mpira-expression-")
    folder = Path(scratch.name)
    toy.make_inputs(folder)
    regions, starts, tpm = make_genes(folder)
    words = ["features", "--config", folder / "features.toml", "--set", "regions.promoters=",
             "--set", f"expression.genes={folder / 'genes.tsv'}", "--set", f"expression.annotation={folder / 'genes.gtf.gz'}",
             "--set", f"expression.promoter_bp={FLANK_BP}", "--set", "unit.regions=17"]
    shared = 0
    for counts, sum_before_log, least in ((False, False, 0.05), (True, False, 0.05), (False, True, 0.0), (True, True, 0.05)):
        file = folder / f"atlas{counts:d}{sum_before_log:d}{least}.h5ad"
        options = [*words, "--set", f"expression.values={'counts' if counts else 'tpm'}",
                   "--set", f"expression.shared_promoter={'sum_tpm' if sum_before_log else 'mean_log'}",
                   "--set", f"expression.least_accessibility={least}"]
        output = mpira(*options, "--output", file, code=0)
        atlas = read_anndata(file)
        assert list(atlas.uns["expression"]) == [f"{c}.{s}" for c in CELL_TYPES for s in ("plus", "minus")]
        values, promoters = expected(regions, starts, tpm, np.asarray(atlas.obsm["accessibility"])[:, 0], counts=counts,
                                     sum_before_log=sum_before_log, least=least)
        ours = np.asarray(atlas.obsm["expression"])
        np.testing.assert_allclose(ours, values, rtol=1e-6)
        assert np.count_nonzero(values) > 60
        listed = atlas.uns["promoters"]
        entries = list(zip(listed["gene_id"], map(int, listed["row"]), listed["strand"]))
        assert len(entries) == len(set(entries)) and set(entries) == promoters
        assert all(name == f"name{int(gene[1:])}" for gene, name in zip(listed["gene_id"], listed["gene_name"]))
        for column, strands in (("promoter", "+-"), ("promoter_plus", "+"), ("promoter_minus", "-")):
            marked = np.isin(np.arange(len(regions)), [row for _, row, strand in promoters if strand in strands])
            np.testing.assert_array_equal(atlas.obs[column], marked)
        places = pd.Series([(row, strand) for _, row, strand in promoters]).value_counts()
        shared = max(shared, int((places > 1).sum()))
    assert shared > 5
    assert "1 genes are not in the annotation (unheard)" in output.stderr, output.stderr
    assert "no accessibility in 'elsewhere'" in output.stderr, output.stderr
    mpira(*options, "--output", folder / "three.h5ad", ranks=3, code=0)
    assert_equal_results(file, folder / "three.h5ad")
    print(f"{len(promoters)} promoters of {len(tpm)} genes, {shared} shared: as pandas has them")

    # The same expression as AnnData: pseudobulks as they are, and cells that are added up.
    accessible = np.asarray(read_anndata(file).obsm["accessibility"])[:, 0]
    bulk = anndata.AnnData(X=tpm.T.to_numpy(), obs=pd.DataFrame(index=tpm.columns), var=pd.DataFrame(index=tpm.index))
    bulk.write_h5ad(folder / "bulk.h5ad")
    parts = np.vstack([share * tpm[name].to_numpy() for name in tpm.columns for share in (0.25, 0.5, 0.25)] + [np.ones(len(tpm))])
    cells = anndata.AnnData(
        X=np.zeros_like(parts), var=bulk.var, layers={"counts": scipy.sparse.csr_matrix(parts)},
        obs=pd.DataFrame({"kind": pd.Categorical([name for name in tpm.columns for _ in range(3)] + [None])},
                         index=[f"cell{i}" for i in range(len(parts))]))
    cells.write_h5ad(folder / "cells.h5ad")
    for genes, counts, extra in (("bulk", False, []), ("cells", True, ["expression.layer=layers/counts", "expression.cell_types=kind"])):
        sets = [f"expression.genes={folder / genes}.h5ad", f"expression.values={'counts' if counts else 'tpm'}", *extra]
        mpira(*words, *(word for item in sets for word in ("--set", item)), "--output", folder / "of_anndata.h5ad",
              "--fresh", "--overwrite", ranks=2, code=0)
        values, _ = expected(regions, starts, tpm, accessible, counts=counts, sum_before_log=False, least=0.05)
        np.testing.assert_allclose(np.asarray(read_anndata(folder / "of_anndata.h5ad").obsm["expression"]), values, rtol=1e-6)

    for extra, fragments in (
            ([f"expression.genes={folder / 'cells.h5ad'}", "expression.cell_types=kind"], ["cells.h5ad", "several rows"]),
            ([f"expression.genes={folder / 'cells.h5ad'}", "expression.cell_types=sort"], ["cells.h5ad", "no column 'sort'"]),
            ([f"expression.genes={folder / 'bulk.h5ad'}", "expression.layer=layers/counts"], ["bulk.h5ad", "layers/counts"]),
            (["expression.annotation="], ["expression.annotation", "both"]),
            ([f"expression.table={folder / 'genes.tsv'}"], ["expression.genes", "one of these"]),
            ([f"expression.annotation={folder / 'regions.bed'}"], ["regions.bed"]),
            ([f"expression.genes={folder / 'genome.fa'}"], ["genome.fa"]),
            (["expression.promoter_bp=-1"], ["expression.promoter_bp"])):
        failed = mpira(*words, *(word for item in extra for word in ("--set", item)), "--output", folder / "wrong.h5ad", code=2)
        assert all(fragment in failed.stderr for fragment in fragments), failed.stderr
        assert not (folder / "wrong.h5ad").exists()


main()
