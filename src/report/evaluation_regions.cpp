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
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

namespace mpira::report {
namespace {

constexpr std::string_view kPlus = "plus";
constexpr std::string_view kMinus = "minus";
constexpr char const* kWhatFor = "which a result of mpira predict has";

/// The output that is compared, or the two whose sum is.
struct Outputs {
    std::size_t one = 0;
    std::size_t other = 0;  ///< = one: there is no second strand
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
    /// Of a row's outputs, on the logarithmic scale that models are trained on.
    [[nodiscard]] double of(std::span<double const> row) const {
        if (!are_strands()) return row[one];
        return std::log10(std::pow(10.0, row[one]) + std::pow(10.0, row[other]) - 1);
    }
};

std::vector<double> values_of(ExportSource const& predictions, std::string const& path,
                              std::vector<std::uint64_t> const& rows, Outputs const& outputs) {
    constexpr std::uint64_t kAtOnce = 1 << 16;
    auto const width = predictions.variables().size();
    std::vector<double> values, block;
    for (std::size_t i = 0; i < rows.size();) {
        auto const first = rows[i];
        auto const count = std::min(kAtOnce, predictions.rows().layout().rows - first);
        predictions.rows().read(path, first, count, block);
        for (; i < rows.size() && rows[i] < first + count; ++i)
            values.push_back(outputs.of(std::span(block).subspan((rows[i] - first) * width, width)));
    }
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

/// A table with a header: chrom, start and end, and columns of numbers. log10(sum + 1) by place.
std::unordered_map<std::string, double> read_scores(EvaluateChoice const& choice) {
    MappedText const text(choice.scores);
    auto const header = text::split(text.line(0), '\t');
    std::vector<std::string> const names(header.begin(), header.end());
    auto const column = [&](std::string const& name) {
        auto const found = std::ranges::find(names, name);
        if (found == names.end())
            text.refuse(0, fmt::format("has no column '{}'{}", name, text::did_you_mean(name, names)));
        if (std::ranges::count(names, name) > 1)
            text.refuse(0, fmt::format("has the column '{}' twice", name));
        return static_cast<std::size_t>(found - names.begin());
    };
    auto const chrom = column("chrom"), start = column("start"), end = column("end");
    std::vector<std::size_t> tracks;
    for (auto const& name : choice.score_columns) {
        auto const track = column(name);
        bool const is_place = track == chrom || track == start || track == end;
        require(!is_place && std::ranges::find(tracks, track) == tracks.end(),
                fmt::format("--score-columns {}: {}", name, is_place ? "is of the place" : "is named twice"));
        tracks.push_back(track);
    }
    std::unordered_map<std::string, double> scores;
    for (auto at = text.after(0); at < text.size(); at = text.after(at)) {
        auto const fields = text::split(text.line(at), '\t');
        if (fields.size() != names.size())
            text.refuse(at, fmt::format("{} fields, the header has {}", fields.size(), names.size()));
        double sum = 0;
        for (auto const track : tracks) {
            auto const value = text::to_number(fields[track]);
            if (!value) text.refuse(at, fmt::format("'{}' in {} is no number", fields[track], names[track]));
            sum += *value;
        }
        if (sum < 0) text.refuse(at, "its scores sum to less than 0: they have to be on a linear scale");
        auto place = fmt::format("{}:{}-{}", fields[chrom], fields[start], fields[end]);
        if (!scores.try_emplace(std::move(place), std::log10(sum + 1)).second)
            text.refuse(at, "a region's second line");
    }
    return scores;
}

/// Keeps the regions that the other scores have, so that both are compared on the same ones.
void keep_scored(AssayData& data, EvaluateChoice const& choice) {
    if (choice.scores.empty()) return;
    auto const scores = read_scores(choice);
    auto const first = place_of(data.sequences.front());
    data.without_score = static_cast<std::uint64_t>(std::erase_if(
        data.sequences, [&](AssaySequence const& sequence) { return !scores.contains(place_of(sequence)); }));
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
    auto const by_place = read_scores(choice);
    // Named by its columns, unless that is what another column of sequences.tsv is called.
    auto name = fmt::format("{}", fmt::join(choice.score_columns, "+"));
    constexpr std::array<std::string_view, 12> kTaken{"prediction", "measured", "elements", "chrom",
                                                      "start",      "end",      "group",    "state",
                                                      "held_out",   "control",  "active",   ""};
    if (std::ranges::find(kTaken, name) != kTaken.end()) name = fmt::format("other {}", name);
    Score other{
        std::move(name), fmt::format("log10(sum + 1) of these columns of {}", choice.scores.string()), {}};
    for (auto const& sequence : data.sequences) other.values.push_back(by_place.at(place_of(sequence)));
    scores.push_back(std::move(other));
    return scores;
}

}  // namespace mpira::report
