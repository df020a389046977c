"""What the scripts here that run screens share: `mpira lentimpra` on the quickstart's atlas and tiles, with untrained networks
of both sizes, which take as long as trained ones. They need what launch/quickstart has prepared in runs/quickstart."""
import re
import sys

from interleaved import ROOT, finished, start

DATA = ROOT / "runs/quickstart"
SIZES = {"full": (768, 12, 12, 200), "small": (64, 3, 4, 50)}  # dim, depth, heads, regions of a window
CAMPAIGN = re.compile(r"campaign: ([\d.]+) s from the first claim to the last commit, ([\d.]+) s in commits")


def require_data():
    for file in (DATA / "atlas.h5ad", DATA / "tiles.bed", DATA / "data/genome.fa"):
        if not file.exists():
            sys.exit(f"{sys.argv[0]}: {file.relative_to(ROOT)} is not there: launch/quickstart makes it")


def untrained(size, folder, build):
    """Weights of that size in `folder`: made within seconds."""
    dim, depth, heads, regions = SIZES[size]
    file = folder / f"{size}.safetensors"
    if not file.exists():
        settings = {"model.dim": dim, "model.depth": depth, "model.heads": heads, "window.regions": regions,
                    "holdout.regions": '["chr2R:5000000-5010000"]'}  # short: it is predicted
        finished(start(build / "bin/mpira", "train", "--config", ROOT / "config/paper_weights.toml", "--output", file,
                       *words(settings), cwd=ROOT))
    return file


def words(settings):
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def tiles(folder, count):
    """A BED of so many of the quickstart's tiles, spread over all; of more than there are: some twice."""
    lines = (DATA / "tiles.bed").read_text().splitlines()
    chosen = [lines[i * len(lines) // count] for i in range(count)]
    file = folder / f"tiles{count}.bed"
    file.write_text("".join("\t".join([*line.split("\t")[:3], f"tile_{i}"]) + "\n" for i, line in enumerate(chosen)))
    return file


def screen(build, weights, elements, output, **settings):
    """The command of a screen of a BED or FASTA file, `controls_shuffles=0` for controls.shuffles = 0; what isn't given has its
    default."""
    given = {"atlas.file": DATA / "atlas.h5ad", "model.weights": weights, "model.unseen_locus": "ignore"}
    if elements.suffix == ".bed":
        given |= {"elements.bed": elements, "elements.genome": DATA / "data/genome.fa"}
    else:
        given["elements.fasta"] = elements
    given |= {key.replace("_", ".", 1): value for key, value in settings.items()}
    return [build / "bin/mpira", "lentimpra", "--verbose", "--output", output, *words(given)]


def run_screen(*command, ranks=1):
    """Seconds from the first claim to the last commit, and the share of them that a rank's commits took."""
    text = "".join(finished(start("mpirun", "-n", ranks, *command, cwd=ROOT))[0])
    campaign = CAMPAIGN.search(text)
    if not campaign:
        sys.exit(f"{' '.join(map(str, command))}: no time of the campaign in\n{text}")
    seconds, commit_s = map(float, campaign.groups())
    return seconds, commit_s / seconds
