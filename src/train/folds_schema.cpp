#include <algorithm>
#include <array>
#include <string_view>

#include "mpira/train/schema.hpp"

namespace mpira::train {

std::vector<SettingSpec> folds_schema() {
    using enum SettingKind;
    using Texts = std::vector<std::string>;
    std::vector<SettingSpec> schema{
        {"folds.by",
         text,
         std::string("table"),
         "What each fold holds out: a fold of holdout.folds (table: also a fold file or a folder of these), "
         "a chromosome, a block of one, or a cell type.",
         Affects::result,
         {"table", "chromosome", "block", "cell_type"}},
        {"folds.block_bp",
         integer,
         std::int64_t{1'000'000},
         "Length of a block, for folds.by = \"block\".",
         Affects::result,
         {},
         1,
         1e10},
        {"folds.only", texts, Texts{}, "Names of the folds to run; none: all of them."},
        {"folds.seeds", texts, Texts{}, "Seeds each fold and setting is run with; none: `seed`."},
        {"folds.settings", texts, Texts{},
         "What is compared, a line each: \"NAME: key=value key=value\" with keys of `mpira config train`; "
         "NAME "
         "alone changes nothing. None: one setting called default."},
        {"folds.draws",
         integer,
         std::int64_t{0},
         "Hyper-parameter search: each setting is run so many times with values drawn from folds.ranges; "
         "the best setting has the least mean validation loss over its folds and seeds, and "
         "uns/summary/best_run is its run with the least.",
         Affects::result,
         {},
         0,
         1e6},
        {"folds.ranges", texts, Texts{},
         "What is drawn, uniformly or on a logarithmic scale: \"train.lr: 1e-5..1e-1 log\"."},
        {"folds.recipe_folds", texts, Texts{},
         "Folds that were watched while the recipe was chosen: means are reported over them and over the "
         "others "
         "apart."},
        {"folds.ranks_per_fold",
         integer,
         std::int64_t{1},
         "Ranks that train a run together, on one node where they fit. The number of ranks must be a "
         "multiple. On CPUs 1 gives the same bytes on any number of ranks; on GPUs, where sums come in any "
         "order, nothing but train.deterministic could, which was not tried there.",
         Affects::result,
         {},
         1,
         1e6},
        {"folds.store_weights", flag, true,
         "Keep each run's weights (or adaptor) also in the result file, in obsm/weights."},
    };
    constexpr std::array<std::string_view, 4> kNotHere{"holdout.fold", "output", "device", "threads"};
    for (auto& spec : train_schema()) {
        if (std::find(kNotHere.begin(), kNotHere.end(), spec.key) == kNotHere.end()) {
            schema.push_back(std::move(spec));
        }
    }
    return schema;
}

}  // namespace mpira::train
