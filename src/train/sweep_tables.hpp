#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/store/job.hpp"
#include "mpira/train/metrics.hpp"
#include "mpira/train/record.hpp"
#include "mpira/train/sweep.hpp"

/// How figures lie in a sweep's result, and the means over its folds.
namespace mpira::train {

/// Columns of X.
inline constexpr std::array<char const*, 9> kFigures{
    "loss", "pearson", "spearman", "r2", "auroc", "pearson_all", "spearman_all", "r2_all", "validation_loss"};
inline constexpr std::size_t kPearson = 1;
inline constexpr std::size_t kValidationLoss = 8;
[[nodiscard]] std::array<double, kFigures.size()> figures_of(Score const& score, double validation_loss);

/// Columns of obsm/curves.
[[nodiscard]] std::vector<std::string> curve_columns();
/// (epochs, columns) row-major, NaN where there is nothing.
void write_curves(std::span<EpochRecord const> history, std::span<float> out);

/// Which folds a mean is over.
enum class FoldSet : std::uint8_t { all, recipe, other };
inline constexpr std::array<char const*, 3> kFoldSets{"all_folds", "recipe_folds", "other_folds"};
/// "uns/summary/recipe_folds/mean".
[[nodiscard]] std::string summary_path(FoldSet set, std::string_view what);

/// Figures of each run beside its X, and their means over folds, where cell types are held out.
inline constexpr std::array<char const*, 2> kBaselineFigures{"training_mean", "beside_training_mean"};

/// Mean and sample standard deviation over the folds of a set, NaN left out: (series, figures) each.
struct Spread {
    std::vector<double> mean;
    std::vector<double> sd;
    std::vector<std::size_t> folds;  ///< that the mean is over: those where the figure is defined
};
/// `x`: (runs, width); the spread is (series, width) then.
[[nodiscard]] Spread spread_over(SweepPlan const& plan, std::span<double const> x, FoldSet set,
                                 std::size_t width = kFigures.size());

/// The best setting of a sweep, and a run of it.
struct BestRun {
    std::size_t run = 0;  ///< of that setting, the one with the least validation loss
    double mean_validation_loss = 0;
};
/// The setting with the least mean validation loss over its folds and seeds: losses of single runs are over
/// different validation sets, and the easiest fold would decide. Settings with a loss that is not finite
/// don't count; nothing, where that is all of them. `x`: (runs, figures).
[[nodiscard]] std::optional<BestRun> best_run_of(SweepPlan const& plan, std::span<double const> x);

}  // namespace mpira::train
