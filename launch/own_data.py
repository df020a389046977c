#!/usr/bin/env python3
"""launch/own_data.py [FOLDER]: makes FOLDER (default: mine/), the files that docs/your-own-data.md works on: two cell
types' peaks and fragments, genes with their expression, a library and its measured counts, on a random genome of three
chromosomes. The same bytes each time. Needs the venv that launch/setup made (.deps/venv/bin/python).
"""
import sys
from pathlib import Path

try:
    import numpy as np
    import pysam
except ImportError as error:
    sys.exit(f"launch/own_data.py: {error}; launch/setup installs it: .deps/venv/bin/python launch/own_data.py")

LETTERS = np.frombuffer(b"ACGT", np.uint8)


def write_fasta(path, records):
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in records))


def random_sequence(rng, length, gc=0.42):
    return bytes(rng.choice(LETTERS, length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])).decode()


def write_motifs(path, rng, count, widths):
    """MEME, of 40 sites each; widths: from the first up to below the second."""
    meme = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
    for m in range(count):
        width = int(rng.integers(*widths))
        meme += f"MOTIF m{m} name{m}\nletter-probability matrix: alength= 4 w= {width} nsites= 40 E= 0\n"
        for _ in range(width):
            counts = rng.multinomial(40, rng.dirichlet([0.3] * 4))
            meme += " ".join(f"{c / 40:.6f}" for c in counts) + "\n"
        meme += "\n"
    path.write_text(meme)


def write_tabix(path, sorted_rows):
    """bgzip and its tabix index; rows: chromosome, start, end and what else a line has."""
    path.with_suffix("").write_text("".join("\t".join(map(str, row)) + "\n" for row in sorted_rows))
    pysam.tabix_compress(str(path.with_suffix("")), str(path), force=True)
    path.with_suffix("").unlink()
    pysam.tabix_index(str(path), preset="bed", force=True)


def merged(peaks):
    """As `mpira regions` joins them: (chromosome, start, end) of what overlaps."""
    regions = []
    for chrom, start, end in sorted(peaks):
        if regions and regions[-1][0] == chrom and start < regions[-1][2]:
            regions[-1][2] = max(regions[-1][2], end)
        else:
            regions.append([chrom, start, end])
    return regions


def own_data(mine):
    mine.mkdir()
    rng = np.random.default_rng(8)
    lengths = {"chr1": 40000, "chr2": 30000, "chr3": 20000}
    genome = {name: random_sequence(rng, length) for name, length in lengths.items()}
    write_fasta(mine / "genome.fa", genome.items())
    (mine / "chrom.sizes").write_text("".join(f"{name}\t{length}\n" for name, length in lengths.items()))
    fragments, genes, peaks = [], [], {"T": [], "B": []}
    for chrom, length in lengths.items():
        for start in range(300, length - 700, 420):
            at = start + int(rng.integers(0, 60))
            kinds = [kind for kind in peaks if rng.random() < 0.75]
            for kind in kinds:
                shift = int(rng.integers(-20, 20))
                peaks[kind].append(f"{chrom}\t{at + shift}\t{at + shift + 250}\tpeak\t{int(rng.integers(100, 900))}\t.\t"
                                   f"{rng.uniform(2, 9):.2f}\t-1\t-1\t{int(rng.integers(60, 190))}")
                for _ in range(int(rng.integers(3, 40))):
                    first = at + int(rng.integers(-60, 200))
                    fragments.append((chrom, first, first + int(rng.integers(30, 190)), f"{kind}{rng.integers(9)}-1"))
            if rng.random() < 0.4:
                genes.append((f"GENE{len(genes)}", chrom, at + 100, "+-"[int(rng.integers(2))]))
    for kind, lines in peaks.items():
        (mine / f"{kind}.narrowPeak").write_text("\n".join(lines) + "\n")
    write_tabix(mine / "fragments.tsv.gz", ((*fragment, 1) for fragment in sorted(fragments)))
    (mine / "barcodes.tsv").write_text("".join(f"{kind}{i}-1\t{kind}\n" for kind in peaks for i in range(9)))
    (mine / "genes.gtf").write_text("".join(
        f'{chrom}\ttest\tgene\t{at + 1 if strand == "+" else max(1, at - 800)}\t{at + 800 if strand == "+" else at + 1}\t.\t{strand}\t.\t'
        f'gene_id "{name}"; gene_name "{name}"; gene_type "protein_coding";\n' for name, chrom, at, strand in genes))
    (mine / "tpm.tsv").write_text("gene\tT\tB\n" + "".join(
        f"{name}\t{rng.gamma(0.6, 30):.2f}\t{rng.gamma(0.6, 30):.2f}\n" for name, *_ in genes))
    write_motifs(mine / "motifs.meme", rng, 12, (6, 10))
    for name in ("hits.bed", "ctss.bed"):
        rows = []
        for chrom, length in lengths.items():
            for at in sorted(rng.choice(length - 20, 2500 if name == "hits.bed" else 800, replace=False)):
                hit, strand = f"AC{rng.integers(14):04d}", "+-"[int(rng.integers(2))]
                rows.append((chrom, at, at + 9, hit, f"{rng.gamma(6):.3f}", strand) if name == "hits.bed" else
                            (chrom, at, at + 1, ".", rng.integers(1, 90), strand))
        write_tabix(mine / f"{name}.gz", rows)
    # Scores of another model, of the regions that the page's first command makes.
    rows = merged((chrom, int(start), int(end)) for lines in peaks.values() for chrom, start, end in (line.split("\t")[:3] for line in lines))
    (mine / "tracks.tsv").write_text("chrom\tstart\tend\t4828\t5111\n" + "".join(
        "\t".join(map(str, row)) + f"\t{rng.gamma(1, 5):.3f}\t{rng.gamma(1, 5):.3f}\n" for row in rows))
    (mine / "hits.tsv").write_text("".join(f"AC{i:04d}\tcluster{i // 2}\n" for i in range(14)))
    (mine / "tss.bed").write_text("".join(f"{chrom}\t{at}\t{at + 1}\t{name}\t0\t{strand}\n" for name, chrom, at, strand in genes))
    library = [(f"element_{i}", random_sequence(rng, 200)) for i in range(30)]
    library += [(f"scrambled_{i}", random_sequence(rng, 200)) for i in range(25)]
    write_fasta(mine / "library.fa", library)
    (mine / "pairs.tsv").write_text("chrom\tchromStart\tchromEnd\tmeasuredGeneSymbol\tRegulated\n" + "".join(
        f"{chrom}\t{at + shift}\t{at + shift + 100}\t{name}\t{'TRUE' if rng.random() < 0.3 else 'FALSE'}\n"
        for name, chrom, at, _ in genes[5:-5] for shift in (-840, 420, 1260) if at + shift > 0))
    (mine / "groups.tsv").write_text("".join(f"{name}\t{name.split('_')[0]}\n" for name, _ in library))
    (mine / "measured.tsv").write_text("element\treplicate\tdna\trna\tbarcodes\n" + "".join(
        f"{name}\t{replicate}\t{rng.integers(80, 200)}\t{rng.integers(40, 500)}\t{rng.integers(12, 40)}\n"
        for name, _ in library for replicate in (1, 2)))


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "mine")
    if folder.exists():
        sys.exit(f"launch/own_data.py: {folder} exists; delete it, or name another folder")
    own_data(folder)
    print(f"{folder}: {len(list(folder.iterdir()))} files")
