#include "report/evaluation_data.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/segmentation.hpp"
#include "mpira/model/model_card.hpp"

namespace mpira::report {
namespace {

constexpr std::int64_t kLocus_bp = 1'000'000;
constexpr std::uint32_t kFolds = 10;

using genome::MeasuredActivity;

/// The columns of a screen's obs that say what and where an element is.
class ScreenRows {
public:
    explicit ScreenRows(ExportSource const& source)
        : source_(source),
          chrom_(source.find("chrom")),
          start_(source.find("start")),
          end_(source.find("end")),
          strand_(source.find("strand")),
          group_(source.find("group")) {}

    [[nodiscard]] bool has_places() const {
        return chrom_ != nullptr && start_ != nullptr && end_ != nullptr;
    }
    [[nodiscard]] std::string chrom(std::uint64_t row) const { return has_places() ? chrom_->text(row) : ""; }
    [[nodiscard]] std::int64_t start(std::uint64_t row) const {
        return static_cast<std::int64_t>(start_->number(row));
    }
    [[nodiscard]] std::int64_t end(std::uint64_t row) const {
        return static_cast<std::int64_t>(end_->number(row));
    }
    [[nodiscard]] std::string strand(std::uint64_t row) const {
        return strand_ != nullptr ? strand_->text(row) : ".";
    }
    [[nodiscard]] std::string group(std::uint64_t row) const {
        return group_ != nullptr ? group_->text(row) : "";
    }
    [[nodiscard]] std::string place(std::uint64_t row) const {
        return fmt::format("{}:{}-{}", chrom(row), start(row), end(row));
    }
    [[nodiscard]] std::string const& name(std::uint64_t row) const { return source_.names()[row]; }

private:
    ExportSource const& source_;
    ObsColumn const *chrom_, *start_, *end_, *strand_, *group_;
};

/// What elements are joined by: names, or places.
std::string key_of(MeasuredActivity const& measured, MeasuredActivity::Element const& element,
                   bool with_strand) {
    if (measured.by_name) return element.name;
    auto const place = fmt::format("{}:{}-{}", element.chrom, element.start, element.end);
    return with_strand ? fmt::format("{}({})", place, element.strand) : place;
}

/// Of each chosen row, its element in the table, or nothing.
std::vector<std::optional<std::size_t>> matches(ExportSource const& source, ScreenRows const& rows,
                                                MeasuredActivity const& measured) {
    require(
        measured.by_name || rows.has_places(),
        fmt::format(
            "{}: the measured activities are by place, and the screen's elements have none (they came from "
            "FASTA); a column 'element' with their names is needed",
            source.file().string()));
    // Strands tell elements apart only where both sides say them.
    bool const with_strand =
        !measured.by_name && source.find("strand") != nullptr &&
        std::ranges::any_of(measured.elements, [](auto const& element) { return element.strand != '.'; });
    std::unordered_map<std::string, std::size_t> by_key;
    for (std::size_t i = 0; i < measured.elements.size(); ++i) {
        auto const key = key_of(measured, measured.elements[i], with_strand);
        require(
            by_key.emplace(key, i).second,
            fmt::format(
                "the measured activities have {} twice, on two strands; the screen's elements have no strand",
                key));
    }
    std::vector<std::optional<std::size_t>> found;
    std::size_t count = 0;
    for (auto const row : source.chosen()) {
        auto const key = measured.by_name ? rows.name(row)
                         : with_strand    ? fmt::format("{}({})", rows.place(row), rows.strand(row))
                                          : rows.place(row);
        auto const match = by_key.find(key);
        found.push_back(match == by_key.end() ? std::nullopt : std::optional(match->second));
        count += found.back() ? 1U : 0U;
    }
    if (count == 0) {
        auto const first = source.chosen().front();
        fail_usage(
            fmt::format("{}: none of its {} elements was measured; its first one is {}, the table's is {}",
                        source.file().string(), source.chosen().size(),
                        measured.by_name ? rows.name(first) : rows.place(first),
                        key_of(measured, measured.elements.front(), with_strand)));
    }
    return found;
}

/// The same for the two orientations of a sequence.
std::string sequence_of(ScreenRows const& rows, std::uint64_t row, std::span<std::string const> ends) {
    auto const& name = rows.name(row);
    for (auto const& end : ends)
        if (name.size() > end.size() && name.ends_with(end))
            return "name " + name.substr(0, name.size() - end.size());
    if (ends.empty() && !rows.chrom(row).empty() && rows.strand(row) != ".")
        return "place " + rows.place(row);
    return "element " + name;
}

/// The cards of predictions, a cell type each.
std::map<std::string, model::ModelCard> cards_of(ExportSource const& source) {
    std::map<std::string, model::ModelCard> cards;
    if (!source.reader().contains("uns/model_cards") || !source.reader().contains("uns/cell_types"))
        return cards;
    auto const texts = source.reader().strings("uns/model_cards");
    auto const names = source.reader().strings("uns/cell_types");
    for (std::size_t i = 0; i < std::min(texts.size(), names.size()); ++i)
        cards.emplace(names[i], nlohmann::json::parse(texts[i]).get<model::ModelCard>());
    return cards;
}

double mean_of(std::span<double const> values) {
    double sum = 0;
    for (double const value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

/// Rows with measurements, gathered into sequences.
void gather(ExportSource const& source, ScreenRows const& rows, MeasuredActivity const& measured,
            EvaluateChoice const& choice, AssayData& data) {
    auto const found = matches(source, rows, measured);
    std::unordered_map<std::string, std::size_t> places;
    std::vector<std::vector<std::size_t>> elements;  // of each sequence, in the table
    std::set<std::size_t> joined;
    for (std::size_t i = 0; i < found.size(); ++i) {
        auto const row = source.chosen()[i];
        if (found[i]) joined.insert(*found[i]);
        if (!found[i] || std::isnan(measured.mean(*found[i]))) {
            ++data.without_measure;
            continue;
        }
        auto const [place, is_new] =
            places.emplace(sequence_of(rows, row, choice.orientations), data.sequences.size());
        if (is_new) {
            data.sequences.emplace_back();
            elements.emplace_back();
        }
        data.sequences[place->second].rows.push_back(row);
        elements[place->second].push_back(*found[i]);
    }
    data.without_row = measured.elements.size() - joined.size();
    require(!data.sequences.empty(),
            fmt::format("no element of {} has a measured activity in any replicate (fewer than {} barcodes?)",
                        source.file().string(), choice.least_barcodes));
    for (std::size_t s = 0; s < elements.size(); ++s) {
        auto& sequence = data.sequences[s];
        require(
            sequence.rows.size() <= 2,
            fmt::format("{}: {} elements are orientations of one sequence, {} among them; a sequence has two",
                        source.file().string(), sequence.rows.size(), rows.name(sequence.rows[0])));
        data.has_pairs = data.has_pairs || sequence.rows.size() == 2;
        std::vector<double> means;
        for (auto const element : elements[s]) means.push_back(measured.mean(element));
        sequence.measured = mean_of(means);
        for (std::size_t r = 0; r < measured.replicates.size(); ++r) {
            std::vector<double> values;
            for (auto const element : elements[s])
                if (!std::isnan(measured.of(element)[r])) values.push_back(measured.of(element)[r]);
            sequence.replicates.push_back(values.empty() ? std::nan("") : mean_of(values));
        }
        auto const row = sequence.rows.front();
        sequence.group = measured.has_groups ? measured.elements[elements[s].front()].group : rows.group(row);
        sequence.chrom = rows.chrom(row);
        if (sequence.chrom.empty()) continue;
        sequence.start = rows.start(row);
        sequence.end = rows.end(row);
    }
}

void add_controls(AssayData& data, EvaluateChoice const& choice) {
    if (choice.controls.empty()) return;
    std::set<std::string> groups;
    std::size_t count = 0;
    for (auto& sequence : data.sequences) {
        sequence.is_control = sequence.group == choice.controls;
        count += sequence.is_control ? 1U : 0U;
        if (!sequence.group.empty()) groups.insert(sequence.group);
    }
    std::vector<std::string> const known(groups.begin(), groups.end());
    require(count >= 2,
            fmt::format("--controls {}: {} measured elements have this group{}; a percentile of negative "
                        "controls needs more{}",
                        choice.controls, count, text::did_you_mean(choice.controls, known),
                        known.empty() ? "; no element has a group"
                                      : fmt::format("; there are {}", fmt::join(known, ", "))));
    require(count < data.sequences.size(),
            fmt::format("--controls {}: all elements are controls", choice.controls));
}

void add_states(AssayData& data, EvaluateChoice const& choice) {
    if (choice.states.empty()) return;
    genome::Segmentation const segmentation(choice.states);
    bool any = false;
    for (auto& sequence : data.sequences) {
        if (sequence.chrom.empty()) continue;
        sequence.state = segmentation.state_of(sequence.chrom, sequence.start, sequence.end);
        any = any || !sequence.state.empty();
    }
    require(any, fmt::format(
                     "--states {}: no element lies in a segment; are the elements from BED, and of the same "
                     "assembly and chromosome names?",
                     choice.states.string()));
}

/// A screen says itself which elements its models saw; of predictions the cell type's card does.
void add_held_out(AssayData& data, ExportSource const& source) {
    if (auto const* const unseen = source.find("unseen")) {
        for (auto& sequence : data.sequences)
            sequence.held_out = std::ranges::all_of(
                sequence.rows, [&](std::uint64_t row) { return unseen->number(row) != 0; });
        return;
    }
    auto const* const cell_type = source.find("cell_type");
    if (cell_type == nullptr) return;
    auto const cards = cards_of(source);
    for (auto& sequence : data.sequences) {
        auto const card = cards.find(cell_type->text(sequence.rows.front()));
        if (sequence.chrom.empty() || card == cards.end() || card->second.held_out.empty()) continue;
        sequence.held_out = card->second.holds_out(sequence.chrom, sequence.start, sequence.end);
    }
}

void add_loci(AssayData& data) {
    std::map<std::pair<std::string, std::int64_t>, std::uint32_t> loci;
    std::map<std::string, std::uint32_t> chroms;
    std::uint32_t next = 0;
    bool all_placed = true;
    for (auto& sequence : data.sequences) {
        if (sequence.chrom.empty()) {
            sequence.locus = next++;
            all_placed = false;
            continue;
        }
        auto const middle = sequence.start + (sequence.end - sequence.start) / 2;
        auto const [found, is_new] = loci.try_emplace({sequence.chrom, middle / kLocus_bp}, next);
        if (is_new) ++next;
        sequence.locus = found->second;
        chroms.try_emplace(sequence.chrom, static_cast<std::uint32_t>(chroms.size()));
    }
    bool const by_chrom = all_placed && chroms.size() > 1;
    data.folds = by_chrom ? "each chromosome by the others" : "tenths of the 1 Mb loci, each by the others";
    std::set<std::uint32_t> folds;
    for (auto& sequence : data.sequences) {
        sequence.fold = by_chrom ? chroms.at(sequence.chrom) : sequence.locus % kFolds;
        folds.insert(sequence.fold);
    }
    data.fold_count = folds.size();
}

}  // namespace

void add_places(AssayData& data, ExportSource const& source, EvaluateChoice const& choice) {
    add_states(data, choice);
    add_held_out(data, source);
    add_loci(data);
}

AssayData join(ExportSource const& screen, EvaluateChoice const& choice) {
    auto const measured = genome::read_activity(choice.measured, {choice.columns, choice.least_barcodes});
    AssayData data;
    data.replicates = measured.replicates;
    data.formula = measured.formula;
    data.measured_elements = measured.elements.size();
    data.too_few_barcodes = measured.too_few_barcodes;
    gather(screen, ScreenRows(screen), measured, choice, data);
    add_controls(data, choice);
    add_places(data, screen, choice);
    return data;
}

}  // namespace mpira::report
