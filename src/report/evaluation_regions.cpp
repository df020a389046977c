#include "report/evaluation_regions.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "report/text_table.hpp"

namespace mpira::report {
namespace {

constexpr std::string_view kPlus = "plus";
constexpr std::string_view kMinus = "minus";
constexpr char const* kWhatFor = "which a result of mpira predict has";

/// The output that is compared, or the two whose sum is.
struct Outputs {
    std::uint64_t one = 0;
    std::uint64_t other = 0;  ///< = one: there is no second strand
    std::string name;

    explicit Outputs(ExportSource const& predictions) {
        auto const& names = predictions.variables();
        if (names.size() == 2 && names[0].ends_with(kPlus) && names[1].ends_with(kMinus)) {
            auto const before = names[0].substr(0, names[0].size() - kPlus.size());
            if (names[1] == before + std::string(kMinus)) {
                name = before.empty() ? "expression" : before.substr(0, before.find_last_not_of('.') + 1);
                other = 1;
                return;
            }
        }
        require(
            names.size() == 1,
            fmt::format("{}: its outputs are {}; one is compared, or those of two strands, plus and minus",
                        predictions.file().string(), fmt::join(names, ", ")));
        name = names.front();
    }
    [[nodiscard]] bool are_strands() const { return one != other; }
    /// Of the two, on the logarithmic scale that models are trained on.
    [[nodiscard]] double of(double first, double second) const {
        return are_strands() ? std::log10(std::pow(10.0, first) + std::pow(10.0, second) - 1) : first;
    }
};

std::vector<double> values_of(ExportSource const& predictions, std::string const& path,
                              std::vector<std::uint64_t> const& rows, Outputs const& outputs) {
    auto const columns = predictions.read_columns(path, {outputs.one, outputs.other}, rows);
    std::vector<double> values(rows.size());
    std::ranges::transform(columns[0], columns[1], values.begin(),
                           [&](double one, double other) { return outputs.of(one, other); });
    return values;
}

/// The rows of one cell type and of the chromosomes that are asked for.
std::vector<std::uint64_t> rows_of(ExportSource const& predictions, EvaluateChoice const& choice) {
    auto const& cell_type = predictions.at("cell_type", kWhatFor);
    auto const& chrom = predictions.at("chrom", kWhatFor);
    std::set<std::string> cell_types, chroms;
    for (auto const row : predictions.chosen()) {
        cell_types.insert(cell_type.text(row));
        chroms.insert(chrom.text(row));
    }
    auto const check = [](char const* option, std::string const& wanted, std::set<std::string> const& known) {
        std::vector<std::string> const names(known.begin(), known.end());
        require(known.contains(wanted), fmt::format("{} {}: no prediction is of it{}", option, wanted,
                                                    text::did_you_mean(wanted, names)));
    };
    if (choice.cell_type.empty())
        require(cell_types.size() == 1,
                fmt::format("{}: predictions of {}: --cell-type names the one that is compared",
                            predictions.file().string(), fmt::join(cell_types, ", ")));
    else
        check("--cell-type", choice.cell_type, cell_types);
    for (auto const& name : choice.chromosomes) check("--chromosomes", name, chroms);
    std::vector<std::uint64_t> rows;
    for (auto const row : predictions.chosen()) {
        bool const is_wanted =
            choice.chromosomes.empty() ||
            std::ranges::find(choice.chromosomes, chrom.text(row)) != choice.chromosomes.end();
        if (is_wanted && (choice.cell_type.empty() || cell_type.text(row) == choice.cell_type))
            rows.push_back(row);
    }
    return rows;
}

std::string place_of(AssaySequence const& sequence) {
    return fmt::format("{}:{}-{}", sequence.chrom, sequence.start, sequence.end);
}

/// A table of chrom, start and end, and columns of numbers. log10(sum + 1) by place.
std::unordered_map<std::string, double> read_scores(EvaluateChoice const& choice) {
    TextTable const table(choice.scores);
    auto const chrom = table.column("chrom"), start = table.column("start"), end = table.column("end");
    std::vector<std::size_t> tracks;
    for (auto const& name : choice.score_columns) {
        auto const track = table.column(name);
        bool const is_place = track == chrom || track == start || track == end;
        require(!is_place && std::ranges::find(tracks, track) == tracks.end(),
                fmt::format("--score-columns {}: {}", name, is_place ? "is of the place" : "is named twice"));
        tracks.push_back(track);
    }
    std::unordered_map<std::string, double> scores;
    for (std::size_t row = 0; row < table.rows().size(); ++row) {
        auto const& fields = table.rows()[row];
        double sum = 0;
        for (auto const track : tracks) {
            auto const value = table.number(row, track);
            if (std::isnan(value))
                table.refuse(row,
                             fmt::format("'{}' in {} is no number", fields[track], table.columns()[track]));
            sum += value;
        }
        if (sum < 0) table.refuse(row, "its scores sum to less than 0: they have to be on a linear scale");
        auto place = fmt::format("{}:{}-{}", fields[chrom], fields[start], fields[end]);
        if (!scores.try_emplace(std::move(place), std::log10(sum + 1)).second)
            table.refuse(row, "a region's second line");
    }
    return scores;
}

/// Keeps the regions that the other scores have, so that both are compared on the same ones.
void keep_scored(AssayData& data, EvaluateChoice const& choice) {
    if (choice.scores.empty()) return;
    auto const scores = read_scores(choice);
    auto const first = place_of(data.sequences.front());
    data.without_score = std::erase_if(data.sequences, [&](AssaySequence& sequence) {
        auto const found = scores.find(place_of(sequence));
        if (found != scores.end()) sequence.other_score = found->second;
        return found == scores.end();
    });
    require(!data.sequences.empty(),
            fmt::format("{}: none of its regions is predicted and observed; the first such is {}",
                        choice.scores.string(), first));
}

}  // namespace

AssayData observed_regions(ExportSource const& predictions, EvaluateChoice const& choice) {
    Outputs const outputs(predictions);
    auto const& chrom = predictions.at("chrom", kWhatFor);
    auto const& start = predictions.at("region_start", kWhatFor);
    auto const& end = predictions.at("region_end", kWhatFor);
    require(predictions.find("gene_id") == nullptr,
            fmt::format("{}: its rows are genes; regions are compared: predict without genes.file",
                        predictions.file().string()));
    AssayData data;
    data.formula = outputs.are_strands()
                       ? fmt::format("{} of both strands, summed before the logarithm", outputs.name)
                       : fmt::format("{} of the atlas", outputs.name);
    auto const rows = rows_of(predictions, choice);
    auto const observed = values_of(predictions, "layers/observed", rows, outputs);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!std::isfinite(observed[i])) {
            ++data.without_measure;
            continue;
        }
        auto& sequence = data.sequences.emplace_back();
        sequence.rows = {rows[i]};
        sequence.measured = observed[i];
        sequence.chrom = chrom.text(rows[i]);
        sequence.start = static_cast<std::int64_t>(start.number(rows[i]));
        sequence.end = static_cast<std::int64_t>(end.number(rows[i]));
    }
    require(!data.sequences.empty(), fmt::format("{}: the atlas has no expression of {} in any region",
                                                 predictions.file().string(), outputs.name));
    data.measured_elements = data.sequences.size();
    keep_scored(data, choice);
    add_places(data, predictions, choice);
    return data;
}

std::vector<Score> scores_of_regions(ExportSource const& predictions, AssayData const& data,
                                     EvaluateChoice const& choice) {
    Outputs const outputs(predictions);
    std::vector<std::uint64_t> rows;
    for (auto const& sequence : data.sequences) rows.push_back(sequence.rows.front());
    std::vector<Score> scores{
        {"prediction",
         outputs.are_strands() ? "the model's, of both strands, summed before the logarithm" : "the model's",
         values_of(predictions, "X", rows, outputs)}};
    if (choice.scores.empty()) return scores;
    // Named by its columns, unless that is what another column of sequences.tsv is called.
    auto name = fmt::format("{}", fmt::join(choice.score_columns, "+"));
    constexpr std::array<std::string_view, 12> kTaken{"prediction", "measured", "elements", "chrom",
                                                      "start",      "end",      "group",    "state",
                                                      "held_out",   "control",  "active",   ""};
    if (std::ranges::find(kTaken, name) != kTaken.end()) name = fmt::format("other {}", name);
    Score other{
        std::move(name), fmt::format("log10(sum + 1) of these columns of {}", choice.scores.string()), {}};
    for (auto const& sequence : data.sequences) other.values.push_back(sequence.other_score);
    scores.push_back(std::move(other));
    return scores;
}

}  // namespace mpira::report
