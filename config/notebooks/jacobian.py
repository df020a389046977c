# %% [markdown]
# # Jacobians: which motifs count at which genes
# A row a start of transcription in a region and cell type, columns motifs and accessibility. `uns["gene_by_motif"]` has a row a
# gene. Values are what `uns["attribution"]["method"]` says, in units of the model's output.

# %%
import anndata
import matplotlib.pyplot as plt
import pandas as pd

file = "runs/first/jacobian.h5ad"
atlas_file = "runs/quickstart/atlas.h5ad"
figure = "runs/first/jacobian.png"

jacobian = anndata.read_h5ad(file)
print(jacobian.uns["attribution"]["method"], "-", jacobian.uns["X_is"])
jacobian.obs[["gene_name", "strand", "region_start", "predicted", "observed"]].head()

# %% [markdown]
# Genes by motifs, under the genes' names; a row of `gene_by_motif` stands for `gene_row_count` rows of obs from `gene_first_row`.

# %%
first = jacobian.uns["gene_first_row"]
genes = pd.DataFrame(jacobian.uns["gene_by_motif"], columns=jacobian.var_names,
                     index=jacobian.obs["gene_name"].astype(str).iloc[first])
motifs = genes.drop(columns="accessibility")
names = anndata.read_h5ad(atlas_file, backed="r").var["motifs"]    # of the factors

# %%
strength = motifs.abs().mean().sort_values(ascending=False)
strongest_genes = motifs.abs().sum(axis=1).sort_values(ascending=False).index[:20]
shown = motifs.loc[strongest_genes, strength.index[:15]]
shown.rename(columns=names).round(3)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained", width_ratios=(1, 1.5))
left.barh(names[strength.index[:15]][::-1], strength[:15][::-1])
left.set_xlabel("mean absolute contribution to a gene")
most = shown.abs().to_numpy().max()
image = right.imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
right.set_xticks(range(shown.shape[1]), names[shown.columns], rotation=90)
right.set_yticks(range(len(shown)), shown.index)
fig.colorbar(image, label="contribution")
fig.savefig(figure, dpi=150)

# %% [markdown]
# What a gene's neighbourhood is worth, region by region: a row of the sparse `obsm["region_score"]` has the atlas's regions as
# columns.

# %%
row = 0
score = jacobian.obsm["region_score"][row]
pd.Series(score.data, score.indices, name=jacobian.obs["gene_name"].iloc[row]).sort_values(ascending=False).head()
