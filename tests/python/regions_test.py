"""mpira regions beside plain Python: unions by joining whatever shares a base until nothing changes, regions of one
width by trying every peak against every region kept, gaps by counting letters."""

import gzip
import random
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import mpira, run_cases

CHROMS = [("chr2", 20_000), ("chr10", 5_000)]
ORDER = {name: at for at, (name, _) in enumerate(CHROMS)}


def share(a, b):
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def draw_peaks(rng, count):
    peaks = set()
    while len(peaks) < count:
        chrom, length = rng.choice(CHROMS)
        start = rng.randrange(length - 300)
        peaks.add((chrom, start, start + rng.randrange(1, 300)))
    return rng.sample(sorted(peaks), count)


def prepare(folder, count=60):
    rng = random.Random(5)
    (folder / "sizes").write_text("".join(f"{name}\t{length}\n" for name, length in CHROMS))
    sets = {}
    for name in ("Kc", "Mbn2", "S2"):
        sets[name] = [(*peak, rng.randrange(1000), rng.randrange(peak[2] - peak[1])) for peak in draw_peaks(rng, count)]
    for c, a, b, signal, summit in sets["Mbn2"][:8]:  # a peak caller writes a line a summit
        sets["Mbn2"].append((c, a, b, signal // 2, (summit + 7) % (b - a)))
    sets["Mbn2"].append(sets["Mbn2"][0])  # but this is one line twice
    bed = "".join(f"{c}\t{a}\t{b}\n" for c, a, b, *_ in sets["Kc"])
    (folder / "Kc.bed").write_text("track name=Kc\n" + bed)
    narrow = lambda peaks: "".join(f"{c}\t{a}\t{b}\tp\t1\t.\t{s}\t-1\t-1\t{t}\n" for c, a, b, s, t in peaks)
    with gzip.open(folder / "Mbn2.narrowPeak.gz", "wt") as file:
        file.write(narrow(sets["Mbn2"]))
    del sets["Mbn2"][-1]
    sets["Mbn2"] = [peak for i, peak in enumerate(sets["Mbn2"]) if peak[:3] + peak[4:] not in
                    [other[:3] + other[4:] for other in sets["Mbn2"][:i]]]
    (folder / "S2.narrowPeak").write_text(narrow(sets["S2"]))
    return sets


def regions(folder, *words, code=0):
    result = mpira("regions", *words, "--chrom-sizes", folder / "sizes", "--output", folder / "out.bed", code=code)
    if code:
        assert not (folder / "out.bed").exists()
        return result.stderr
    lines = [line.split("\t") for line in (folder / "out.bed").read_text().splitlines()]
    return {(c, int(a), int(b)): set(origin.split(",")) for c, a, b, origin in lines}, result.stdout


def union(sets):
    groups = [((c, a, b), {name}) for name, peaks in sets.items() for c, a, b, *_ in peaks]
    changed = True
    while changed:
        changed = False
        for i, (one, names) in enumerate(groups):
            for j in range(i + 1, len(groups)):
                other, more = groups[j]
                if share(one, other):
                    groups[i] = ((one[0], min(one[1], other[1]), max(one[2], other[2])), names | more)
                    del groups[j]
                    changed = True
                    break
            if changed:
                break
    return dict(groups)


def in_order(found):
    keys = [(ORDER[c], a, b) for c, a, b in found]
    assert keys == sorted(keys)


def unions_equal_plain_python(folder):
    sets = prepare(folder)
    found, said = regions(folder, folder / "Kc.bed", folder / "Mbn2.narrowPeak.gz", folder / "S2.narrowPeak")
    assert found == union(sets)
    assert len(found) < 180
    in_order(found)
    assert f"{len(found)} regions of {sum(map(len, sets.values()))} peaks in 3 files" in said, said
    assert stat.S_IMODE((folder / "out.bed").stat().st_mode) == 0o640


def one_width_equals_plain_python(folder):
    sets = prepare(folder)
    found, _ = regions(folder, folder / "Mbn2.narrowPeak.gz", folder / "S2.narrowPeak", "--width", "150")
    candidates = []
    for at, name in enumerate(("Mbn2", "S2")):
        total = sum(peak[3] for peak in sets[name])
        for c, a, _, signal, summit in sets[name]:
            start = min(max(a + summit - 75, 0), dict(CHROMS)[c] - 150)
            candidates.append((-signal / total, ORDER[c], (c, start, start + 150), at, name))
    kept = []
    for _, _, region, _, _ in sorted(candidates):
        if not any(share(region, other) for other in kept):
            kept.append(region)
    expected = {region: {name for *_, other, _, name in candidates if share(region, other)} for region in kept}
    assert found == expected
    in_order(found)


def training_regions_keep_their_coordinates(folder):
    sets = prepare(folder)
    found, said = regions(folder, folder / "Mbn2.narrowPeak.gz", folder / "S2.narrowPeak", "--onto", folder / "Kc.bed")
    fresh = union({name: sets[name] for name in ("Mbn2", "S2")})
    old = [peak[:3] for peak in sets["Kc"]]
    appended = {peak: names for peak, names in fresh.items() if not any(share(peak, other) for other in old)}
    expected = appended | {
        one: {"Kc"}.union(*(names for peak, names in fresh.items() if share(peak, one))) for one in old}
    assert found == expected
    in_order(found)
    assert 0 < len(appended) < len(fresh)
    share_text = f"{100 * len(appended) / len(found):.1f} % of the result"
    assert f"60 regions kept; of {len(fresh)} new ones" in said and f"{len(appended)} are appended, {share_text}" in said, said


def regions_in_gaps_are_left_out(folder):
    sets = prepare(folder)
    rng = random.Random(6)
    sequence = {}
    for name, length in CHROMS:
        bases = rng.choices("ACGT", k=length)
        for start in range(0, length, 700):
            bases[start:start + 200] = "N" * len(bases[start:start + 200])
        bases[300:310] = "R" * 10  # ambiguous: unknown as well
        sequence[name] = "".join(bases)
    (folder / "genome.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in sequence.items()))
    all_of_them = union({name: sets[name] for name in ("Mbn2", "S2")})
    unknown = {one: sum(base not in "ACGT" for base in sequence[one[0]][one[1]:one[2]]) for one in all_of_them}
    peaks = (folder / "Mbn2.narrowPeak.gz", folder / "S2.narrowPeak", "--genome", folder / "genome.fa")
    for limit in (0, 40):
        found, said = regions(folder, *peaks, *(["--max-unknown-bp", str(limit)] if limit else []), "--overwrite")
        assert found == {one: names for one, names in all_of_them.items() if unknown[one] <= limit}
        assert 0 < len(found) < len(all_of_them)
        left_out = f"{len(all_of_them) - len(found)} of {len(all_of_them)} regions left out"
        assert f"{left_out}, each with more than {limit} unknown bases" in said, said
    # What a model was trained on stays, gap or not.
    found, _ = regions(folder, *peaks, "--onto", folder / "Kc.bed", "--overwrite")
    assert {peak[:3] for peak in sets["Kc"]} <= set(found)
    (folder / "out.bed").unlink()
    (folder / "gap.fa").write_text("".join(f">{name}\n{'N' * length}\n" for name, length in CHROMS))
    assert "gap.fa" in regions(folder, *peaks[:2], "--genome", folder / "gap.fa", code=2)
    (folder / "other.fa").write_text(">chr2\nACGT\n")
    assert "other.fa" in regions(folder, *peaks[:2], "--genome", folder / "other.fa", code=2)
    assert "--genome" in regions(folder, *peaks[:2], "--max-unknown-bp", "3", code=2)


def wrong_inputs_are_named(folder):
    prepare(folder)
    (folder / "far.bed").write_text("chr2\t5\t10\nchr2\t19990\t20001\n")
    assert "far.bed line 2" in regions(folder, folder / "far.bed", code=2)
    (folder / "sub").mkdir()
    (folder / "sub" / "Kc.bed").write_text("chr2\t5\t10\n")
    assert "'Kc'" in regions(folder, folder / "Kc.bed", folder / "sub" / "Kc.bed", code=2)
    (folder / "a,b.bed").write_text("chr2\t5\t10\n")
    assert "a,b" in regions(folder, folder / "a,b.bed", code=2)
    assert "--width" in regions(folder, folder / "Kc.bed", "--width", "0", code=2)
    assert "--width 900000" in regions(folder, folder / "Kc.bed", "--width", "900000", code=2)
    (folder / "bare.bed").write_text("2\t5\t10\n")
    assert "'2' here, 'chr2' there" in regions(folder, folder / "bare.bed", code=2)
    assert "none.bed" in regions(folder, folder / "none.bed", code=2)
    (folder / "out.bed").write_text("mine\n")
    told = mpira("regions", folder / "Kc.bed", "--chrom-sizes", folder / "sizes", "--output", folder / "out.bed", code=2)
    assert "out.bed" in told.stderr and (folder / "out.bed").read_text() == "mine\n"
    mpira("regions", folder / "Kc.bed", "--chrom-sizes", folder / "sizes", "--output", folder / "out.bed", "--overwrite", code=0)
    assert (folder / "out.bed.old").read_text() == "mine\n"


if __name__ == "__main__":
    run_cases([unions_equal_plain_python, one_width_equals_plain_python, training_regions_keep_their_coordinates,
               regions_in_gaps_are_left_out, wrong_inputs_are_named])
