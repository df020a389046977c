# %% [markdown]
# # An atlas: regions x motifs
# Rows are regions of the genome, columns motifs; `obsm["accessibility"]` has a column a cell type. Which motifs do open regions
# have more often than closed ones?

# %%
import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

file = "runs/quickstart/atlas.h5ad"
figure = "runs/first/atlas.png"
cell_type = "BEAF_Kc"

atlas = anndata.read_h5ad(file)
atlas

# %%
atlas.obs.head()

# %% [markdown]
# X is a sum of motif scores, as scanned. A model reads it divided by `varm["scale"]`, at most 1.

# %%
scale = pd.Series(atlas.varm["scale"][:, list(atlas.uns["scale_sets"]).index("all_regions")], atlas.var_names)
features = (atlas.to_df() / scale).clip(upper=1).fillna(0)
accessible = atlas.obsm["accessibility"][:, list(atlas.uns["cell_types"]).index(cell_type)] > 0
print(f"{accessible.sum()} of {len(atlas)} regions are accessible in {cell_type}")

# %%
means = pd.DataFrame({"motif": atlas.var["motifs"], "open": features[accessible].mean(), "closed": features[~accessible].mean()})
means["difference"] = means["open"] - means["closed"]
top = means.sort_values("difference").tail(15)
top

# %%
fig, axes = plt.subplots(figsize=(6, 5), layout="constrained")
place = np.arange(len(top))
axes.barh(place + 0.2, top["open"], 0.4, label=f"accessible in {cell_type}")
axes.barh(place - 0.2, top["closed"], 0.4, label="not")
axes.set_yticks(place, top["motif"])
axes.set_xlabel("mean scaled motif score")
axes.legend()
fig.savefig(figure, dpi=150)
