// folds: learning curves, figures of each fold beside the baselines, held-out predictions.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

#include "report/report_file.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr char const* kTrainingMean = "mean of the training cell types";

template <typename T>
std::size_t number_in(std::vector<T>& known, T const& value) {
    auto const found = std::ranges::find(known, value);
    if (found != known.end()) return static_cast<std::size_t>(found - known.begin());
    known.push_back(value);
    return known.size() - 1;
}

/// The finished runs of a sweep.
struct Sweep {
    ReportFile const& file;
    std::vector<std::string> figures;    ///< of X
    std::vector<std::vector<double>> x;  ///< [figure][run]
    std::vector<std::string> folds, settings;
    std::vector<std::size_t> fold, setting;  ///< of each run
    std::vector<std::int64_t> seed;
    std::vector<bool> is_recipe;

    explicit Sweep(ReportFile const& sweep) : file(sweep), figures(sweep.rows->variables()) {
        std::vector<std::uint64_t> all;
        for (std::uint64_t i = 0; i < figures.size(); ++i) all.push_back(i);
        x = file.columns("X", all);
        auto const& rows = *file.rows;
        auto const& fold_column = rows.at("fold", "which a sweep has");
        auto const& setting_column = rows.at("setting", "which a sweep has");
        auto const& seed_column = rows.at("seed", "which a sweep has");
        auto const* const recipe = rows.find("recipe_fold");
        for (auto const row : rows.chosen()) {
            fold.push_back(number_in(folds, fold_column.text(row)));
            setting.push_back(number_in(settings, setting_column.text(row)));
            seed.push_back(static_cast<std::int64_t>(seed_column.number(row)));
            is_recipe.push_back(recipe != nullptr && recipe->number(row) > 0);
        }
    }

    [[nodiscard]] std::size_t runs() const { return fold.size(); }
    /// A figure of all runs; not numbers when there is no such figure.
    [[nodiscard]] std::vector<double> values(std::string_view figure) const {
        auto const found = std::ranges::find(figures, figure);
        return found == figures.end() ? std::vector<double>(runs(), kNone)
                                      : x[static_cast<std::size_t>(found - figures.begin())];
    }
};

bool any_finite(std::vector<double> const& values) {
    return std::ranges::any_of(values, [](double value) { return std::isfinite(value); });
}

/// One curve of all runs: a line each, and each setting's mean.
void add_curve(Sweep const& sweep, std::string const& column, std::string title, std::string unit,
               std::string caption, Section& section) {
    auto const columns = sweep.file.texts("curve_columns");
    auto const found = std::ranges::find(columns, column);
    if (found == columns.end() || !sweep.file.has("obsm/curves")) return;
    auto const& shape = sweep.file.rows->rows().find("obsm/curves")->row_shape;
    require(shape.size() == 2 && shape[1] == columns.size(),
            fmt::format("{}: obsm/curves hasn't the columns of uns/curve_columns", sweep.file.file.string()));
    auto const epochs = shape[0];
    constexpr std::uint64_t kMostEpochs = 200;
    auto const drawn = thinned(epochs, kMostEpochs);
    std::vector<std::uint64_t> wanted;
    for (auto const epoch : drawn)
        wanted.push_back(epoch * columns.size() + static_cast<std::uint64_t>(found - columns.begin()));
    auto const by_epoch = sweep.file.columns("obsm/curves", wanted);
    if (!std::ranges::any_of(by_epoch, any_finite)) return;

    Figure figure{.title = std::move(title),
                  .caption = std::move(caption),
                  .x = {.title = "epoch"},
                  .y = {.title = std::move(unit)}};
    constexpr std::size_t kMostLines = 120;
    for (std::size_t s = 0; s < sweep.settings.size(); ++s) {
        Series mean{.name = sweep.settings[s] + ", mean", .colour = static_cast<int>(s), .size = 3};
        std::vector<Series> lines;
        for (std::size_t e = 0; e < drawn.size(); ++e) {
            std::vector<double> here;
            std::size_t line = 0;
            for (std::size_t run = 0; run < sweep.runs(); ++run) {
                if (sweep.setting[run] != s) continue;
                here.push_back(by_epoch[e][run]);
                if (lines.size() <= line)
                    lines.push_back({.colour = static_cast<int>(s), .size = 1, .opacity = 0.4});
                lines[line].x.push_back(static_cast<double>(drawn[e] + 1));
                lines[line].y.push_back(by_epoch[e][run]);
                ++line;
            }
            // From where the first run stopped on, a mean would be of the others.
            mean.x.push_back(static_cast<double>(drawn[e] + 1));
            mean.y.push_back(std::ranges::all_of(here, [](double value) { return std::isfinite(value); })
                                 ? mean_of(here)
                                 : kNone);
        }
        figure.series.push_back(std::move(mean));
        if (sweep.runs() <= kMostLines) std::ranges::move(lines, std::back_inserter(figure.series));
    }
    figure.caption += sweep.runs() <= kMostLines ? " Thin: each run; thick: their mean, as long as all train."
                                                 : " Means over runs, which are too many to be drawn, as "
                                                   "long as all train.";
    if (drawn.size() < epochs) figure.caption += fmt::format(" {} of {} epochs.", drawn.size(), epochs);
    section.blocks.emplace_back(std::move(figure));
}

/// A figure of each fold and setting, means over seeds; a column more for what stands beside the models.
struct FoldFigures {
    std::vector<std::string> columns;
    std::vector<std::vector<double>> values;  ///< [column][fold]
};

FoldFigures fold_figures(Sweep const& sweep, std::string_view figure) {
    FoldFigures out;
    auto const add = [&](std::string name, std::vector<double> const& of_runs, auto const& belongs) {
        std::vector<std::vector<double>> by_fold(sweep.folds.size());
        for (std::size_t run = 0; run < sweep.runs(); ++run)
            if (belongs(run)) by_fold[sweep.fold[run]].push_back(of_runs[run]);
        std::vector<double> means;
        for (auto const& list : by_fold) means.push_back(mean_of(list));
        if (!any_finite(means)) return;
        out.columns.push_back(std::move(name));
        out.values.push_back(std::move(means));
    };
    auto const values = sweep.values(figure);
    for (std::size_t s = 0; s < sweep.settings.size(); ++s)
        add(sweep.settings[s], values, [&](std::size_t run) { return sweep.setting[run] == s; });
    auto const found = std::ranges::find(sweep.figures, figure);
    if (sweep.file.has("obsm/training_mean") && found != sweep.figures.end()) {
        auto const beside = sweep.file.columns("obsm/training_mean",
                                               {static_cast<std::uint64_t>(found - sweep.figures.begin())});
        add(kTrainingMean, beside.front(), [&](std::size_t run) { return sweep.setting[run] == 0; });
    }
    return out;
}

void add_folds_table(Sweep const& sweep, Section& section) {
    auto const pearson = fold_figures(sweep, "pearson");
    auto const auroc = fold_figures(sweep, "auroc");
    Figure figure{.title = "Held-out Pearson correlation of each fold",
                  .caption = "Means over seeds; dashed: the mean over folds.",
                  .x = {.title = "fold", .names = sweep.folds},
                  .y = {.title = "Pearson correlation"}};
    for (std::size_t c = 0; c < pearson.columns.size(); ++c) {
        Series points{
            .name = pearson.columns[c], .mark = Mark::points, .colour = static_cast<int>(c), .size = 9};
        for (std::size_t f = 0; f < sweep.folds.size(); ++f) {
            points.x.push_back(static_cast<double>(f));
            points.y.push_back(pearson.values[c][f]);
        }
        auto const mean = mean_of(pearson.values[c]);
        Series line{.colour = static_cast<int>(c),
                    .x = {-0.5, static_cast<double>(sweep.folds.size()) - 0.5},
                    .y = {mean, mean},
                    .size = 1.5,
                    .dashed = true};
        figure.series.push_back(std::move(points));
        figure.series.push_back(std::move(line));
    }
    if (!figure.series.empty()) section.blocks.emplace_back(std::move(figure));

    Table table{
        .name = "folds",
        .title = "Folds",
        .caption =
            "Held-out figures, means over seeds. Recipe: the recipe was chosen while watching this fold.",
        .columns = {"fold", "recipe", "held_out_regions"},
        .shown = 60};
    for (auto const& name : pearson.columns) table.columns.push_back(name + " pearson");
    for (auto const& name : auroc.columns) table.columns.push_back(name + " auroc");
    auto const* const regions = sweep.file.rows->find("held_out_regions");
    for (std::size_t f = 0; f < sweep.folds.size(); ++f) {
        auto const run = static_cast<std::size_t>(std::ranges::find(sweep.fold, f) - sweep.fold.begin());
        std::vector<Cell> line{
            sweep.folds[f], std::string(sweep.is_recipe[run] ? "yes" : ""),
            regions == nullptr ? std::int64_t{0}
                               : static_cast<std::int64_t>(regions->number(sweep.file.rows->chosen()[run]))};
        for (auto const* const figures : {&pearson, &auroc})
            for (auto const& values : figures->values) line.emplace_back(values[f]);
        table.rows.push_back(std::move(line));
    }
    section.blocks.emplace_back(std::move(table));
}

void add_summary(Sweep const& sweep, Section& section) {
    Table table{.name = "series",
                .title = "Models over folds",
                .caption = "Mean and standard deviation over folds of the held-out figures.",
                .columns = {"setting", "seed", "over", "folds"},
                .shown = 60};
    std::vector<std::string> figures;
    for (auto const* const name : {"pearson", "spearman", "r2", "auroc", "loss"})
        if (any_finite(sweep.values(name))) figures.emplace_back(name);
    for (auto const& name : figures) {
        table.columns.push_back(name);
        table.columns.push_back(name + " sd");
    }
    std::size_t undefined = 0;
    bool const has_recipe = std::ranges::find(sweep.is_recipe, true) != sweep.is_recipe.end();
    std::vector<std::int64_t> seeds;
    for (auto const seed : sweep.seed) number_in(seeds, seed);
    for (std::size_t s = 0; s < sweep.settings.size(); ++s) {
        for (auto const seed : seeds) {
            for (bool const watched : {true, false}) {
                if (!watched && !has_recipe) continue;
                std::vector<std::size_t> runs;
                for (std::size_t run = 0; run < sweep.runs(); ++run)
                    if (sweep.setting[run] == s && sweep.seed[run] == seed &&
                        (watched || !sweep.is_recipe[run]))
                        runs.push_back(run);
                if (runs.empty()) continue;
                std::vector<Cell> line{sweep.settings[s], seed,
                                       std::string(watched ? "all folds" : "folds nobody watched"),
                                       static_cast<std::int64_t>(runs.size())};
                for (auto const& name : figures) {
                    auto const all = sweep.values(name);
                    std::vector<double> own;
                    for (auto const run : runs) {
                        own.push_back(all[run]);
                        undefined += std::isfinite(all[run]) ? 0 : 1;
                    }
                    line.emplace_back(mean_of(own));
                    line.emplace_back(sd_of(own));
                }
                table.rows.push_back(std::move(line));
            }
        }
    }
    if (undefined > 0)
        table.caption += fmt::format(
            " {} of the figures of folds are not defined (a correlation of constant predictions, say) and in "
            "no mean.",
            undefined);
    section.blocks.emplace_back(std::move(table));
}

}  // namespace

Figure held_out_figure(std::vector<double> const& predicted, std::vector<double> const& target,
                       std::string caption) {
    auto const is_class = [](double value) { return value == 0 || value == 1; };
    if (std::ranges::all_of(target, is_class)) {
        std::vector<std::vector<double>> lists(2);
        for (std::size_t i = 0; i < target.size(); ++i) lists[target[i] > 0 ? 0 : 1].push_back(predicted[i]);
        auto const sizes =
            fmt::format(" {} entries with target 1, {} with 0; each kind's shares add up to 1.",
                        lists[0].size(), lists[1].size());
        auto figure = histogram("Held-out predictions", "predicted", "share of entries",
                                {"target 1", "target 0"}, lists);
        for (std::size_t i = 0; i < 2; ++i)
            for (auto& y : figure.series[i].y) y /= std::max<double>(1, static_cast<double>(lists[i].size()));
        figure.caption = std::move(caption) + sizes;
        return figure;
    }
    constexpr std::uint64_t kMostPoints = 3000;
    auto const drawn = thinned(predicted.size(), kMostPoints);
    Figure figure{.title = "Held-out predictions",
                  .caption = std::move(caption),
                  .x = {.title = "target"},
                  .y = {.title = "predicted"}};
    Series points{.mark = Mark::points, .size = 4, .opacity = 0.5};
    for (auto const i : drawn) {
        points.x.push_back(target[i]);
        points.y.push_back(predicted[i]);
    }
    figure.caption += fmt::format(" {} of {} entries are drawn.", drawn.size(), predicted.size());
    figure.series = {points};
    return figure;
}

namespace {

void add_held_out(Sweep const& sweep, Section& section) {
    auto const& rows = sweep.file.rows->rows();
    auto const* const array = rows.find("obsm/heldout_predicted");
    if (array == nullptr || !sweep.file.has("obsm/heldout_row")) return;
    auto const places = array->row_shape.at(0), outputs = array->row_shape.at(1);
    constexpr std::uint64_t kMostEntries = 40000;
    auto const chosen = thinned(places * outputs, std::max<std::uint64_t>(50, kMostEntries / sweep.runs()));
    std::vector<std::uint64_t> of_place;
    for (auto const entry : chosen) of_place.push_back(entry / outputs);
    auto const row = sweep.file.columns("obsm/heldout_row", of_place);
    auto const all_predicted = sweep.file.columns("obsm/heldout_predicted", chosen);
    auto const all_target = sweep.file.columns("obsm/heldout_target", chosen);
    std::vector<std::vector<double>> scored;
    if (sweep.file.has("obsm/heldout_scored")) scored = sweep.file.columns("obsm/heldout_scored", chosen);
    std::vector<double> predicted, target;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        for (std::size_t run = 0; run < sweep.runs(); ++run) {
            if (sweep.setting[run] != 0 || row[i][run] < 0) continue;  // a row of -1 only fills up
            if (!scored.empty() && scored[i][run] == 0) continue;      // in no figure
            predicted.push_back(all_predicted[i][run]);
            target.push_back(all_target[i][run]);
        }
    }
    if (predicted.empty()) return;
    auto caption = fmt::format("Of {}, all folds, entries that count.", sweep.settings.front());
    if (chosen.size() < places * outputs)
        caption += fmt::format(" A sample: every {}th place of each run.", places * outputs / chosen.size());
    section.blocks.emplace_back(held_out_figure(predicted, target, std::move(caption)));
}

}  // namespace

void add_folds(ReportFile const& file, Section& section) {
    Sweep const sweep(file);
    section.blocks.emplace_back(Heading{"Models"});
    add_summary(sweep, section);
    add_folds_table(sweep, section);
    section.blocks.emplace_back(Heading{"Learning curves"});
    add_curve(sweep, "train_loss", "Training loss", "loss", "Over the training set of each fold.", section);
    add_curve(sweep, "validation_loss", "Validation loss", "loss", "Over the validation set.", section);
    add_curve(sweep, "validation_pearson", "Validation Pearson", "Pearson correlation",
              "Over the validation set.", section);
    add_curve(sweep, "test_never_used_for_selection_pearson", "Test Pearson", "Pearson correlation",
              "Of the test set, recorded to be drawn: no epoch was chosen by it.", section);
    add_held_out(sweep, section);
}

}  // namespace mpira::report
