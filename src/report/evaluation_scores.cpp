#include "report/evaluation_scores.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "report/ridge.hpp"

namespace mpira::report {
namespace {

constexpr std::string_view kMeanOfElement = ".element.mean";
constexpr double kAlpha = 1;  // of ridge, as the quickstart's
constexpr std::uint64_t kValuesAtOnce = 1 << 20;

std::vector<std::string> quantities_of(ExportSource const& screen) {
    std::vector<std::string> quantities;
    for (auto const& name : screen.variables())
        if (name.ends_with(kMeanOfElement))
            quantities.push_back(name.substr(0, name.size() - kMeanOfElement.size()));
    require(!quantities.empty(),
            fmt::format("{}: holds no screen: no column ends in {} (mpira lentimpra writes such files)",
                        screen.file().string(), kMeanOfElement));
    return quantities;
}

/// The maximum over the strands where there are two (the published reading), and what accessibility adds.
std::vector<std::string> chosen_quantities(ExportSource const& screen, EvaluateChoice const& choice) {
    auto const known = quantities_of(screen);
    for (auto const& name : choice.quantities)
        require(std::ranges::find(known, name) != known.end(),
                fmt::format("--quantity {}: the screen has no such{}; it has {}", name,
                            text::did_you_mean(name, known), fmt::join(known, ", ")));
    if (!choice.quantities.empty()) return choice.quantities;
    std::vector<std::string> chosen;
    std::ranges::copy_if(known, std::back_inserter(chosen), [](std::string const& name) {
        return name == "max" || name == "accessibility" || name == "max_x_accessibility";
    });
    bool const has_maximum = std::ranges::find(chosen, "max") != chosen.end();
    return has_maximum ? chosen : known;
}

/// The mean over a sequence's rows of some columns of a row array, (sequences, columns).
std::vector<double> means_of(ExportSource const& screen, AssayData const& data, std::string const& path,
                             std::vector<std::size_t> const& columns, std::uint64_t width) {
    auto const rows = screen.names().size();
    auto const at_once = std::max<std::uint64_t>(1, kValuesAtOnce / width);
    std::vector<double> of_rows(rows * columns.size());
    std::vector<double> block;
    for (std::uint64_t first = 0; first < rows; first += at_once) {
        auto const count = std::min(at_once, rows - first);
        screen.rows().read(path, first, count, block);
        for (std::uint64_t row = 0; row < count; ++row)
            for (std::size_t c = 0; c < columns.size(); ++c)
                of_rows[(first + row) * columns.size() + c] = block[row * width + columns[c]];
    }
    std::vector<double> means(data.sequences.size() * columns.size());
    for (std::size_t s = 0; s < data.sequences.size(); ++s) {
        auto const& members = data.sequences[s].rows;
        for (std::size_t c = 0; c < columns.size(); ++c) {
            double sum = 0;
            for (auto const row : members) sum += of_rows[row * columns.size() + c];
            means[s * columns.size() + c] = sum / static_cast<double>(members.size());
        }
    }
    return means;
}

void add_predictions(ExportSource const& screen, AssayData const& data, EvaluateChoice const& choice,
                     std::vector<Score>& scores) {
    struct Arm {
        char const* column;
        char const* name;
        char const* meaning;
    };
    std::vector<std::size_t> columns;
    auto const& variables = screen.variables();
    for (auto const& quantity : chosen_quantities(screen, choice)) {
        for (auto const& arm : {Arm{".element.mean", "", "mean over the insertions"},
                                Arm{".element-uninserted.mean", " - uninserted",
                                    "its paired difference to the same windows uninserted"},
                                Arm{".shuffled.mean", " of shuffled",
                                    "the shuffled element at the same sites: a control, not a score"}}) {
            auto const column = std::ranges::find(variables, quantity + arm.column);
            if (column == variables.end()) continue;
            columns.push_back(static_cast<std::size_t>(column - variables.begin()));
            scores.push_back({quantity + arm.name, arm.meaning, {}});
        }
    }
    auto const means = means_of(screen, data, "X", columns, variables.size());
    for (std::size_t c = 0; c < columns.size(); ++c)
        for (std::size_t s = 0; s < data.sequences.size(); ++s)
            scores[c].values.push_back(means[s * columns.size() + c]);
}

void add_gc(ExportSource const& screen, AssayData const& data, std::vector<Score>& scores) {
    auto const* const gc = screen.find("gc");
    if (gc == nullptr) return;  // files of before there was one
    Score score{"GC content", "share of G and C in the element", {}};
    for (auto const& sequence : data.sequences) score.values.push_back(gc->number(sequence.rows.front()));
    scores.push_back(std::move(score));
}

void add_ridge(ExportSource const& screen, AssayData const& data, std::vector<Score>& scores) {
    auto const* const features = screen.rows().find("obsm/features");
    if (features == nullptr || features->row_shape.empty() || data.fold_count < 2) return;
    auto const width = features->row_shape[0];
    std::vector<std::size_t> columns(width);
    for (std::size_t c = 0; c < columns.size(); ++c) columns[c] = c;
    auto const means = means_of(screen, data, "obsm/features", columns, width);
    std::vector<float> x;
    std::vector<double> y;
    std::vector<std::uint32_t> folds;
    for (std::size_t s = 0; s < data.sequences.size(); ++s) {
        auto const& sequence = data.sequences[s];
        if (sequence.is_control) continue;
        for (std::size_t c = 0; c < width; ++c) x.push_back(static_cast<float>(means[s * width + c]));
        y.push_back(sequence.measured);
        folds.push_back(sequence.fold);
    }
    if (std::set<std::uint32_t>(folds.begin(), folds.end()).size() < 2) return;
    auto const fitted = out_of_fold_ridge(x, y, folds, kAlpha);
    Score score{
        "ridge",
        fmt::format("ridge (alpha {}) on the element's own vector, fitted to the assay out of fold: {}",
                    kAlpha, data.folds),
        {}};
    std::size_t next = 0;
    for (auto const& sequence : data.sequences)
        score.values.push_back(sequence.is_control ? std::nan("") : fitted[next++]);
    scores.push_back(std::move(score));
}

}  // namespace

std::vector<Score> scores_of(ExportSource const& screen, AssayData const& data,
                             EvaluateChoice const& choice) {
    std::vector<Score> scores;
    add_predictions(screen, data, choice, scores);
    add_ridge(screen, data, scores);
    add_gc(screen, data, scores);
    return scores;
}

}  // namespace mpira::report
