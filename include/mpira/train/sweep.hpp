#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"

/// What a sweep (`mpira folds`) consists of: folds x seeds x settings, a training run each.
namespace mpira::train {

/// One training run: the settings of `mpira train` that it stands for.
struct SweepRun {
    std::string name;  ///< "5.GET.seed0": unique, and the stem of its files
    std::string fold;
    std::string setting;
    std::string overrides;  ///< what the setting changes: "model.kind=CNN train.lr=0.001"
    std::uint64_t seed = 0;
    std::vector<double> drawn;  ///< one a key of SweepPlan::drawn_keys
    Settings settings;
};

/// All runs, the folds of one (setting, seed) together: run (s * seeds + e) * folds + f. (setting, seed) is
/// called a series: over its folds means are taken.
struct SweepPlan {
    std::vector<std::string> folds;
    std::vector<std::string> settings;  ///< with draws: "NAME.draw0", ...
    std::vector<std::uint64_t> seeds;
    std::vector<std::string> drawn_keys;
    std::vector<bool> is_recipe_fold;  ///< one a fold: the recipe was chosen while watching it
    std::vector<SweepRun> runs;

    [[nodiscard]] std::size_t series() const { return settings.size() * seeds.size(); }
    [[nodiscard]] std::string series_name(std::size_t s) const;  ///< "GET.seed0"
};

/// The runs that folds.* ask for (folds_schema() in schema.hpp explains each key). Usage errors name the key.
/// A drawn value depends on (seed, number of the draw, number of the range) alone, so more draws leave the
/// former as they are.
[[nodiscard]] SweepPlan plan_sweep(Settings const& settings, atlas::Atlas const& atlas);

/// The group of each rank: `ranks_per_group` ranks each, numbered from 0 by their lowest rank. `nodes` names
/// the node of each rank; a group lies on one node as long as that node has ranks enough left, the rest are
/// put together in order. Our error unless the number of ranks is a multiple of the group's.
[[nodiscard]] std::vector<int> cut_into_groups(std::vector<std::int64_t> const& nodes, int ranks_per_group);

}  // namespace mpira::train
