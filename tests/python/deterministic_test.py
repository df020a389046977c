"""train.deterministic: the same weights file, byte for byte, on 1, 2 and 4 ranks, also when a run is stopped and goes on
on another number of ranks; three are refused by name. train.timeline: a file that a trace viewer can read."""

import json
import os
import signal
import tempfile
from pathlib import Path

from mpira_test import Running, mpira, wait_until
from train_test import epochs_in, make_data, train

WORDS = ["--set", "train.deterministic=true", "--set", "train.epochs=12", "--set", "train.batch=10",
         "--set", "train.micro_batch=2", "--set", "model.drop_path=0.2"]


def outputs(folder, name):
    return [(folder / f"{name}{suffix}").read_bytes() for suffix in (".safetensors", ".heldout.tsv")]


def check_rank_counts(folder):
    for name, ranks in (("one", 0), ("two", 2), ("four", 4)):
        mpira(*train(folder, *WORDS, output=f"{name}.safetensors"), ranks=ranks, code=0)
        assert outputs(folder, name) == outputs(folder, "one"), f"{ranks} ranks: other bytes than one"
    refused = mpira(*train(folder, *WORDS, output="three.safetensors"), ranks=3)
    assert refused.returncode == 2 and "train.deterministic" in refused.text and "3 ranks" in refused.text, refused
    # Otherwise rank counts differ by float noise, which is how one knows that the above says something.
    free = [*WORDS, "--set", "train.deterministic=false"]
    for name, ranks in (("free1", 0), ("free2", 2)):
        mpira(*train(folder, *free, output=f"{name}.safetensors"), ranks=ranks, code=0)
    assert outputs(folder, "free1") != outputs(folder, "free2"), "the switch makes no difference"


def check_stop_and_resume(folder):
    """Begun on two ranks, gone on with on four, finished on one."""
    metrics = folder / "stopped.metrics.jsonl"
    for ranks, patience in ((2, 2), (4, 6)):
        running = Running(*train(folder, *WORDS, output="stopped.safetensors"), ranks=ranks)
        wait_until(lambda: epochs_in(metrics) >= patience, what=f"{patience} epochs")
        os.kill(running.rank_pids()[-1], signal.SIGTERM)  # one rank is told, all of them stop
        assert running.wait().returncode == 3
    mpira(*train(folder, *WORDS, output="stopped.safetensors"), code=0)
    assert outputs(folder, "stopped") == outputs(folder, "one"), "stopped and resumed: other bytes"


def check_timeline(folder):
    file = folder / "timeline.json"
    mpira(*train(folder, "--set", "train.epochs=2", "--set", "train.bucket_mb=0.001", "--set", f"train.timeline={file}",
                 output="timed.safetensors"), ranks=2, code=0)
    spans = [event for event in json.loads(file.read_text())["traceEvents"] if event["ph"] == "X"]
    for rank in (0, 1):
        for part in ("forward", "backward", "all-reduce"):
            assert any(span["pid"] == rank and span["name"].endswith(part) for span in spans), (rank, part)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mpira-deterministic-") as name:
        folder = Path(name)
        make_data(folder)
        check_rank_counts(folder)
        check_stop_and_resume(folder)
        check_timeline(folder)
