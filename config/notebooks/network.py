# %% [markdown]
# # Networks of motifs
# A row a network (Spearman's correlation of each cell type and of the pooled rows, a causal network, its bootstraps). The pooled ones
# are `varp`, motif by motif: in causal networks [i, j] is the effect of j on i.

# %%
import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

file = "runs/first/network.h5ad"
atlas_file = "runs/quickstart/atlas.h5ad"
figure = "runs/first/network.png"

network = anndata.read_h5ad(file)
names = anndata.read_h5ad(atlas_file, backed="r").var["motifs"]
network.obs

# %%
spearman = pd.DataFrame(network.varp["spearman"], network.var_names, network.var_names)
degree = network.to_df().loc[network.obs.query("kind == 'spearman'").index[0]].sort_values(ascending=False)
shown = spearman.loc[degree.index[:25], degree.index[:25]]

# %% [markdown]
# Causal edges, where they were asked for, the strongest first; `lingam_frequency` is the share of bootstraps that have the edge.

# %%
effect = network.varp["lingam"] if "lingam" in network.varp else np.zeros(spearman.shape)
frequency = network.varp["lingam_frequency"] if "lingam_frequency" in network.varp else np.full(spearman.shape, np.nan)
to, source = np.nonzero(effect)
edges = pd.DataFrame({"from": names[network.var_names[source]].to_numpy(), "to": names[network.var_names[to]].to_numpy(),
                      "effect": effect[to, source], "frequency": frequency[to, source]})
edges = edges.iloc[edges["effect"].abs().argsort()[::-1]]
edges.head(10)

# %%
fig, axes = plt.subplots(figsize=(7, 6), layout="constrained")
image = axes.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1)
axes.set_xticks(range(len(shown)), names[shown.columns], rotation=90)
axes.set_yticks(range(len(shown)), names[shown.index])
fig.colorbar(image, label="Spearman correlation over genes")
fig.savefig(figure, dpi=150)
