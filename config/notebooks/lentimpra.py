# %% [markdown]
# # A screen: what each element changes
# A row an element; columns are `quantity.arm.statistic`. The arms: the element inserted; the same places without it (uninserted);
# with its letters shuffled; and paired differences, which is what to compare elements by.

# %%
import anndata
import matplotlib.pyplot as plt
import numpy as np

file = "runs/first/screen.h5ad"
figure = "runs/first/screen.png"

screen = anndata.read_h5ad(file)
print(screen.uns["notes"]["X"])
quantity = next(name for name in screen.var_names if name.endswith(".element.mean")).removesuffix(".element.mean")
table = screen[screen.obs["done"]].to_df()
table.filter(like=f"{quantity}.element").iloc[:, :3].describe()

# %%
gain, error = (f"{quantity}.element-uninserted.{what}" for what in ("mean", "se"))
order = table[gain].sort_values(ascending=False)
screen.obs.loc[order.index[:10]].join(order)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.errorbar(np.arange(len(order)), order, 1.96 * table.loc[order.index, error], fmt=".", ecolor="0.7")
left.axhline(0, color="0.5", linewidth=0.8)
left.set(xlabel="elements, by what they change", ylabel=f"{quantity}: with the element, less without (95 %)")
shuffled = table[f"{quantity}.shuffled.mean"]
right.scatter(shuffled, table[f"{quantity}.element.mean"], s=10)
right.axline((shuffled.mean(), shuffled.mean()), slope=1, color="0.5", linewidth=0.8)
right.set(xlabel="its letters shuffled", ylabel=f"{quantity}: the element")
fig.savefig(figure, dpi=150)
