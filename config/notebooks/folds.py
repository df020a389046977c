# %% [markdown]
# # A sweep: folds x seeds x settings
# A row a training run; X has its figures on the regions that it never saw.

# %%
import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

file = "runs/first/folds.h5ad"
figure = "runs/first/folds.png"

folds = anndata.read_h5ad(file)
runs = folds.obs[["setting", "fold", "seed", "held_out_regions", "recipe_fold"]].join(folds.to_df())
runs

# %% [markdown]
# Folds that were watched while the recipe was chosen (`recipe_fold`) are no evidence; means over the others, a line a setting:

# %%
runs[runs["recipe_fold"] == 0].groupby("setting", observed=True)[["pearson", "spearman", "auroc"]].agg(["mean", "std"])

# %%
curves = pd.DataFrame(folds.obsm["curves"][0], columns=folds.uns["curve_columns"])   # an epoch a row, of the first run
curves.dropna(axis="columns").tail()

# %% [markdown]
# Held-out predictions are filled up to the longest fold; `heldout_scored` says which entries count, `heldout_row` which region
# of the atlas an entry is.

# %%
def held_out(run, output=0):
    counts = folds.obsm["heldout_scored"][run][:, output] == 1
    rows = folds.obsm["heldout_row"][run][counts]
    return pd.DataFrame({"predicted": folds.obsm["heldout_predicted"][run][counts, output],
                         "target": folds.obsm["heldout_target"][run][counts, output]}, index=folds.uns["region_names"][rows])


# %%
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for run, name in enumerate(folds.obs_names):
    left.plot(np.arange(1, folds.obsm["curves"].shape[1] + 1), folds.obsm["curves"][run][:, 0], label=name)
left.set(xlabel="epoch", ylabel="training loss")
left.legend()
middle.bar(folds.obs_names, runs["pearson"])
middle.set_ylabel("held-out Pearson")
middle.tick_params("x", rotation=30)
first = held_out(0)
right.scatter(first["predicted"], first["target"], s=8, alpha=0.5)
right.set(xlabel="predicted", ylabel="target", title=folds.obs_names[0])
fig.savefig(figure, dpi=150)
