#!/usr/bin/env python3
"""The default data of mpira: D. melanogaster chr2R (dm3) with insulator ChIP of two cell lines.

    launch/quickstart_data.py OUTPUT_FOLDER [--data .deps/data]

Only the standard library. Real files, no download: chr2R.fa (Debian augustus-doc), RefSeq TSS (Debian
chromhmm-example), ChIP-chip peaks of Bushey et al. 2009 (PyPI pybedtools), motifs (PyPI pyjaspar). Deterministic.
Every count is compared with the one the recipe was tried with; a difference ends in exit code 1.

Written to OUTPUT_FOLDER (coordinates 0-based, half-open):
    genome.fa          chr2R, upper case, 50 bases a line
    chrom.sizes
    regions.bed        4,203 regions: peaks of the eight sets and TSS +-250 bp, merged; named by their place
    peaks/SET.bed      the peaks of BEAF, SuHw, CTCF, Cp190 in Kc and Mbn2 on chr2R, merged within each set
    peaks.bed          all eight together, merged
    tss.bed            transcription start sites, with strand
    promoters.tsv      region name, 1 if it contains a TSS
    folds.tsv          20 folds: fold, chrom, start, end (a region belongs where its centre lies), regions, BEAF_Kc
    accessibility.txt  "SET=path" a line, for features' accessibility.beds
    motifs.sqlite      link to the JASPAR 2024 release
"""

import argparse
import gzip
import os
import pathlib
import sys

CHROM = "chr2R"
SETS = [f"{factor}_{cell}" for cell in ("Kc", "Mbn2") for factor in ("SuHw", "BEAF", "CTCF", "Cp190")]
PEAKS = dict(zip(SETS, (647, 582, 386, 957, 609, 560, 465, 946)))
BOUND = dict(zip(SETS, (631, 569, 382, 919, 578, 552, 457, 892)))
TSS_FLANK = 250
BLOCK = 1_000_000
LAST_BLOCK = 20

failures = []


def check(what, found, expected):
    good = found == expected
    print(f"  {what:<46} {found:>12,}" + ("" if good else f"   expected {expected:,}  <-- differs"))
    if not good:
        failures.append(what)


def merged(intervals):
    """Union of intervals; touching ones are joined."""
    union = []
    for start, end in sorted(intervals):
        if union and start <= union[-1][1]:
            union[-1][1] = max(union[-1][1], end)
        else:
            union.append([start, end])
    return [tuple(interval) for interval in union]


def overlapping(regions, intervals):
    """For sorted, disjoint intervals: which regions share a base with one."""
    flags, first = [], 0
    for start, end in regions:
        while first < len(intervals) and intervals[first][1] <= start:
            first += 1
        flags.append(first < len(intervals) and intervals[first][0] < end)
    return flags


def read_fasta(path):
    lines = path.read_text().split("\n")
    assert lines[0].startswith(f">{CHROM}"), f"{path}: the first record is not {CHROM}"
    assert not any(line.startswith(">") for line in lines[1:]), f"{path}: more than one record"
    return "".join(lines[1:]).upper()


def read_peaks(path):
    peaks = []
    for line in path.read_text().splitlines():
        fields = line.split()
        if fields and fields[0] == CHROM:
            peaks.append((int(fields[1]), int(fields[2])))
    return peaks


def write(path, text):
    """Whole or not at all."""
    aside = path.with_name(path.name + ".new")
    aside.write_text(text)
    os.replace(aside, path)


def fasta(chrom, sequence):
    return f">{chrom}\n" + "\n".join(sequence[i:i + 50] for i in range(0, len(sequence), 50)) + "\n"


def bed(intervals, *columns, chrom=CHROM):
    return "".join("\t".join((chrom, str(start), str(end), *(str(column[i]) for column in columns))) + "\n"
                   for i, (start, end) in enumerate(intervals))


def find(data, pattern, package, setup="launch/setup"):
    found = sorted(data.glob(pattern))
    if not found:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: no {pattern} under {data}; {setup} unpacks it from {package}")
    return found[0]


def link_to(link, target):
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())


def folders(description):
    """Of the command line: where the data are, where to write."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent / ".deps" / "data")
    arguments = parser.parse_args()
    return arguments.data, arguments.output


def conclude(output):
    if failures:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {len(failures)} counts differ from the recipe's: {', '.join(failures)}")
    print(f"all as in the recipe; written to {output}")


def main():
    data, output = folders(__doc__)
    (output / "peaks").mkdir(parents=True, exist_ok=True)

    print("sequence")
    sequence = read_fasta(find(data, "debian/**/tutorial/data/chr2R.fa", "Debian's augustus-doc"))
    check("chr2R, bp", len(sequence), 21_146_708)
    check("N", sequence.count("N"), 100)

    print("peaks and transcription start sites")
    folder = find(data, "python/pybedtools/test/data/BEAF_Kc_Bushey_2009.bed", "PyPI's pybedtools").parent
    peaks = {name: read_peaks(folder / f"{name}_Bushey_2009.bed") for name in SETS}
    for name in SETS:
        check(f"peaks of {name}", len(peaks[name]), PEAKS[name])
    all_peaks = merged(interval for name in SETS for interval in peaks[name])
    check("all peaks, merged", len(all_peaks), 1_897)
    tss_file = find(data, "debian/**/ANCHORFILES/dm3/RefSeqTSS.dm3.txt.gz", "Debian's chromhmm-example")
    with gzip.open(tss_file, "rt") as lines:
        tss = sorted({(int(fields[1]), fields[2]) for fields in map(str.split, lines) if fields[0] == CHROM})
    check("TSS with strand", len(tss), 4_430)
    positions = sorted({position for position, _ in tss})
    check("TSS positions", len(positions), 4_428)
    promoters = merged((max(0, position - TSS_FLANK), position + TSS_FLANK) for position in positions)
    check("TSS +-250, merged", len(promoters), 3_379)

    print("regions")
    regions = merged([*all_peaks, *promoters])
    check("regions", len(regions), 4_203)
    lengths = sorted(end - start for start, end in regions)
    check("shortest, bp", lengths[0], 49)
    check("median, bp", lengths[len(lengths) // 2], 500)
    check("longest, bp", lengths[-1], 5_240)
    has_tss = overlapping(regions, [(position, position + 1) for position in positions])
    check("with a TSS", sum(has_tss), 3_297)
    merged_peaks = {name: merged(peaks[name]) for name in SETS}
    bound = {name: overlapping(regions, merged_peaks[name]) for name in SETS}
    for name in SETS:
        check(f"bound in {name}", sum(bound[name]), BOUND[name])
    check("bound in any Kc set", sum(map(any, zip(*(bound[name] for name in SETS[:4])))), 1_634)
    check("bound in none of the eight", sum(not any(row) for row in zip(*bound.values())), 2_356)

    print("folds")
    block = [max(1, min((start + end) // 2 // BLOCK, LAST_BLOCK)) for start, end in regions]  # 0 and 1 joined
    folds = sorted(set(block))
    check("folds", len(folds), 20)
    sizes = [block.count(fold) for fold in folds]
    beaf = [sum(flag for flag, of in zip(bound["BEAF_Kc"], block) if of == fold) for fold in folds]
    check("regions of the smallest fold", min(sizes), 141)
    check("regions of the largest fold", max(sizes), 253)
    check("fewest BEAF_Kc in a fold", min(beaf), 19)
    check("most BEAF_Kc in a fold", max(beaf), 41)
    edges = [(0 if fold == 1 else fold * BLOCK, len(sequence) if fold == LAST_BLOCK else (fold + 1) * BLOCK)
             for fold in folds]

    names = [f"{CHROM}:{start}-{end}" for start, end in regions]
    write(output / "genome.fa", fasta(CHROM, sequence))
    write(output / "chrom.sizes", f"{CHROM}\t{len(sequence)}\n")
    write(output / "regions.bed", bed(regions, names))
    for name in SETS:
        write(output / "peaks" / f"{name}.bed", bed(merged_peaks[name]))
    write(output / "peaks.bed", bed(all_peaks))
    write(output / "tss.bed", bed([(position, position + 1) for position, _ in tss],
                                  ["."] * len(tss), [0] * len(tss), [strand for _, strand in tss]))
    write(output / "promoters.tsv", "".join(f"{name}\t{int(flag)}\n" for name, flag in zip(names, has_tss)))
    write(output / "folds.tsv", "# fold\tchrom\tstart\tend\tregions\tBEAF_Kc\n" + "".join(
        f"{fold}\t{CHROM}\t{start}\t{end}\t{size}\t{positive}\n"
        for fold, (start, end), size, positive in zip(folds, edges, sizes, beaf)))
    write(output / "accessibility.txt", "".join(f"{name}={output / 'peaks' / name}.bed\n" for name in SETS))
    link_to(output / "motifs.sqlite", find(data, "python/pyjaspar/data/JASPAR2024.sqlite", "PyPI's pyjaspar"))
    conclude(output)


if __name__ == "__main__":
    main()
