"""TorchScript models of another program (torch.jit.save with a contract) in lentimpra, jacobian, predict and perturb:
what they give equals PyTorch's to 1e-6, on 1 rank as on 2; what breaks the contract, or was not allowed, ends with 2.
"""
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from lentimpra_parity_test import SITES, below, draws, site_starts
from mpira_test import assert_equal_results, mpira, read_anndata, run_cases
from toy import FOCUS, WINDOW, make_inputs, scales_of, screen_toml

TOLERANCE = 1e-6
INSERTIONS = 23
CONTRACT = Path(__file__).resolve().parents[2] / "launch/torchscript_contract.py"


class Net(torch.nn.Module):
    """Nothing like GET: regions are weighed by their distance from the middle of their window."""

    def __init__(self, features, outputs=2):
        super().__init__()
        self.hidden = torch.nn.Linear(features, 16)
        self.norm = torch.nn.BatchNorm1d(16)  # in eval mode: each window alone
        self.head = torch.nn.Linear(32, outputs)

    def forward(self, x):
        h = torch.nn.functional.silu(self.norm(self.hidden(x).transpose(1, 2)).transpose(1, 2))
        place = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
        near = torch.softmax(-(place[:, None] - place[None]).abs() / 3, 1)
        return torch.nn.functional.softplus(self.head(torch.cat([h, torch.matmul(near, h)], 2)))


class Detached(Net):
    def forward(self, x):
        return torch.nn.functional.relu(self.head(torch.cat([self.hidden(x.detach()), self.hidden(x.detach())], 2))).detach()


class TwoInputs(Net):
    def forward(self, x, y):
        return x + y


class TooFew(Net):
    def forward(self, x):
        return self.head(torch.cat([self.hidden(x), self.hidden(x)], 2))[:, 1:]


class Random(Net):
    def forward(self, x):
        return self.head(torch.cat([self.hidden(x), self.hidden(x)], 2)) + torch.rand(1)


class AcrossWindows(Net):
    def forward(self, x):
        return self.head(torch.cat([self.hidden(x), self.hidden(x)], 2)) + x.mean()


class Changing(Net):
    def forward(self, x):
        return self.head(torch.cat([self.hidden(x), self.hidden(x)], 2)) + x.mul_(2).sum(2, keepdim=True)


class Raising(Net):
    def forward(self, x):
        if x.shape[1] > 1:
            raise ValueError("not today")
        return x


def contract(folder, **changes):
    text = subprocess.run([sys.executable, CONTRACT, folder / "atlas.h5ad", "--outputs", "plus,minus", "--window", str(WINDOW),
                           "--focus", str(FOCUS), "--cell-type", "toy_cell", "--accessibility", "quantitative",
                           "--held-out", "chr2:2000-3000"], check=True, capture_output=True, text=True).stdout
    return json.loads(text) | changes


def save(file, net, facts):
    torch.jit.save(torch.jit.script(net.eval()), str(file), _extra_files={"mpira.json": json.dumps(facts)} if facts else {})
    return file


def prepare(folder):
    make_inputs(folder)
    atlas = read_anndata(folder / "atlas.h5ad")
    torch.manual_seed(3)
    net = Net(atlas.n_vars + 1)
    net(torch.rand(4, WINDOW, atlas.n_vars + 1))  # moves the running means
    return atlas, net, save(folder / "model.pt", net, contract(folder))


def screen(folder, output, extra="", ranks=0, code=0):
    (folder / "screen.toml").write_text(screen_toml(folder, folder / output, extra, folder / "model.pt"))
    return mpira("lentimpra", "--config", folder / "screen.toml", ranks=ranks, code=code)


def matrix(atlas):
    scaled = np.minimum(np.asarray(atlas.X, dtype=np.float32) / scales_of(atlas).astype(np.float32), 1)
    column = np.asarray(atlas.obsm["accessibility"], dtype=np.float32)[:, list(atlas.uns["cell_types"]).index("toy_cell")]
    return np.concatenate([scaled, column[:, None]], axis=1)


def apart(ours, theirs):
    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    return np.abs(ours - theirs).max() / max(1, np.abs(theirs).max())


def a_screen_equals_pytorch(folder):
    atlas, net, file = prepare(folder)
    extra = f"""allow_torchscript = true
torchscript_sha256 = ["{"0" * 64}", "{hashlib.sha256(file.read_bytes()).hexdigest().upper()}"]
[sites]
insertions = {INSERTIONS}
[controls]
shuffles = 2
[results]
raw = "f32"
"""
    said = screen(folder, "screen.h5ad", extra, ranks=2)
    assert "model.pt is TorchScript (sha256:" in said.text and "its code runs in this process" in said.text, said
    screen(folder, "alone.h5ad", extra)
    assert_equal_results(folder / "screen.h5ad", folder / "alone.h5ad")

    result = read_anndata(folder / "screen.h5ad")
    regions, starts_all = matrix(atlas), site_starts(atlas, [["chr2", 2000, 3000]])
    worst = 0.0
    for number in range(result.n_obs):
        arms = {}
        for arm in ("element", "uninserted"):
            windows = []
            for i in range(INSERTIONS):
                start = starts_all[below(draws(SITES, number, i), len(starts_all))]
                window = regions[start:start + WINDOW].copy()
                if arm == "element":
                    window[FOCUS, :-1] += np.asarray(result.obsm["features"])[number]
                window[FOCUS, -1] = 1
                windows.append(np.minimum(window, 1))
            with torch.no_grad():
                arms[arm] = net(torch.tensor(np.stack(windows)))[:, FOCUS].double().numpy()
        worst = max(worst, apart(np.asarray(result.obsm["raw"])[number].reshape(INSERTIONS, 2), arms["element"]))
        row = result.to_df().iloc[number]
        difference = arms["element"] - arms["uninserted"]
        for k, name in enumerate(("plus", "minus")):
            worst = max(worst, apart(row[f"{name}.element-uninserted.mean"], difference[:, k].mean()),
                        apart(row[f"{name}.element-uninserted.sd"], difference[:, k].std(ddof=1)))
    assert worst <= TOLERANCE, worst
    card = json.loads(result.uns["model_cards"][0])
    assert card["content_hash"] == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert card["architecture"]["network"] == "TorchScript"
    print(f"{result.n_obs} elements, worst difference to PyTorch {worst:.1e}")


def settings(folder, output, extra=""):
    return f"""
output = "{folder}/{output}"
[atlas]
file = "{folder}/atlas.h5ad"
[model]
weights = "{folder}/model.pt"
allow_torchscript = true
micro_batch = 3
{extra}"""


def run(job, folder, output, extra="", code=0, ranks=0):
    (folder / f"{job}.toml").write_text(settings(folder, output, extra))
    return mpira(job, "--config", folder / f"{job}.toml", ranks=ranks, code=code)


def jacobians_predictions_and_removals_equal_pytorch(folder):
    atlas, net, _ = prepare(folder)
    run("jacobian", folder, "jacobian.h5ad", '[region_scores]\nkeep = false\n[results]\njacobian = "f32"\n', ranks=2)
    run("jacobian", folder, "lost.h5ad", '[attribution]\nmethod = "knock_out"\n')
    run("jacobian", folder, "integrated.h5ad",
        '[region_scores]\nkeep = false\n[attribution]\nmethod = "integrated_gradients"\nsteps = 8\n')
    run("predict", folder, "predict.h5ad")
    run("perturb", folder, "perturb.h5ad", '[perturb]\nreach = 3\n')
    result, lost, predicted, removed, integrated = (
        read_anndata(folder / f"{name}.h5ad") for name in ("jacobian", "lost", "predict", "perturb", "integrated"))
    regions, worst = matrix(atlas), 0.0
    for row in range(result.n_obs):
        obs = result.obs.iloc[row]
        first, size, focus, k = obs["window_start"], obs["window_regions"], obs["focus"], ["plus", "minus"].index(obs["output"])
        x = torch.tensor(regions[first:first + size], requires_grad=True)
        out = net(x[None])[0, focus]
        jacobian = torch.autograd.grad(out[k], x)[0]
        with torch.no_grad():
            without = x.detach().repeat(x.shape[1], 1, 1)
            for f in range(x.shape[1]):
                without[f, :, f] = 0
            steps = []
            for s in range(8):
                start = x.detach().clone()
                start[:, :-1] = 0
                with torch.enable_grad():
                    at = (start + (s + 0.5) / 8 * (x.detach() - start)).requires_grad_(True)
                    steps.append(torch.autograd.grad(net(at[None])[0, focus, k], at)[0])
            ig = (torch.stack(steps).mean(0) * (x.detach() - start)).sum(0)
            effects = out[k] - net(without)[:, focus, k]
            for r in range(max(0, focus - 3), min(size, focus + 4)):
                if r == focus:
                    continue
                rest = torch.cat([x[:r], x[r + 1:]])[None]
                worst = max(worst, apart(removed.obsm["knock_out"][row, first + r],
                                         (out[k] - net(rest)[0, focus - (r < focus), k]).item()))
        worst = max(worst, apart(obs["predicted"], out[k].item()),
                    apart(np.asarray(result.obsm["jacobian"])[row][:size], jacobian.numpy()),
                    apart(result.X[row], (jacobian * x).sum(0).detach().numpy()), apart(lost.X[row], effects.numpy()),
                    apart(integrated.X[row], ig.numpy()),
                    apart(predicted[predicted.obs["atlas_row"] == obs["atlas_row"]].X[0, k], out[k].item()))
    assert worst <= TOLERANCE, worst
    print(f"{result.n_obs} rows, worst difference to PyTorch {worst:.1e}")


def what_breaks_the_contract_is_refused(folder):
    atlas, net, file = prepare(folder)
    facts, whole = contract(folder), (folder / "model.pt").read_bytes()
    features = atlas.n_vars + 1
    allowed = "allow_torchscript = true\n"

    def expect(*words, extra=allowed, job="lentimpra", ranks=0):
        if job == "lentimpra":
            result = screen(folder, "no.h5ad", extra, ranks, 2)
        else:
            result = run(job, folder, "no.h5ad", extra, 2)
        for word in words:
            assert word in result.text, f"'{word}' is not said:\n{result}"
        assert "Traceback" not in result.text and not (folder / "no.h5ad").exists(), result

    # not allowed, not the pinned one
    expect("model.pt is TorchScript", "your rights", "model.allow_torchscript = true", extra="", ranks=2)
    expect(hashlib.sha256(whole).hexdigest(), "model.torchscript_sha256",
           extra=f'{allowed}torchscript_sha256 = ["{"a" * 64}"]\n')
    expect("'abc' is no SHA-256", "64 hex digits", extra=f'{allowed}torchscript_sha256 = ["abc"]\n')
    expect("model.precision", "its own types", extra=f'{allowed}precision = "bf16"\n')
    # what it declares
    for change, words in (({"input": "sequence"}, ["'sequence'", "reserved", "region_matrix"]),
                          ({"input": "matrix"}, ["'matrix'", "region_matrix"]),
                          ({"features": features + 1}, ["motif"]), ({"outputs": 0}, ["architecture.outputs = 0"]),
                          ({"outputs": 3}, ["output names", "3 outputs"]), ({"head": "masked"}, ["'masked'"]),
                          ({"network": "GET"}, ["architecture"])):
        save(file, net, facts | {"architecture": facts["architecture"] | change})
        expect("model.pt", *words)
    save(file, net, {key: value for key, value in facts.items() if key != "scan_hash"})
    expect("scan_hash is missing")
    save(file, net, facts | {"motifs": facts["motifs"][::-1]})
    expect("motif 0", "model.pt", "atlas.h5ad")
    save(file, net, None)
    expect("declares no tensor contract", "mpira.json")
    # what it does
    for other, words in ((TwoInputs, ["must take one tensor"]), (TooFew, ["(2, 8, 2)", "promises float32 (2, 9, 2)"]),
                         (Random, ["other values for the same input"]), (AcrossWindows, ["the others of its batch"]),
                         (Changing, ["changes its input"]), (Raising, ["not today"])):
        torch.manual_seed(3)
        save(file, other(features), facts)
        expect("model.pt", *words)
    wide = Net(features + 4)
    save(file, wide, facts)
    expect("model.pt: forward")  # LibTorch's own words follow
    # what is no such file
    file.write_bytes(whole[:len(whole) // 2])
    expect("model.pt is not a TorchScript file")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello", "world")
    expect("model.pt is not a TorchScript file")
    # of gradients
    save(file, Detached(features), facts)
    scores_off = "[region_scores]\nkeep = false\n"
    expect("differentiated", job="jacobian", extra=scores_off)
    run("jacobian", folder, "lost.h5ad", '[attribution]\nmethod = "knock_out"\n')  # which needs none
    file.write_bytes(whole)
    expect("region_scores.keep", "TorchScript", job="jacobian", extra="")
    expect("embeddings.layer", "TorchScript", job="predict", extra='[embeddings]\nlayer = "encoder.norm"\n')
    said = mpira("weights", file, code=2)
    assert "ZIP archive" in said.text and "model.allow_torchscript" in said.text, said


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_cases([a_screen_equals_pytorch, jacobians_predictions_and_removals_equal_pytorch, what_breaks_the_contract_is_refused])
