// Enhancer-gene scores of a result of `perturb` held against measured pairs (CRISPRi): a row a pair, and the
// area under the precision-recall curve of each score, by distance. A unit is a block of pairs.
#include "mpira/genome/crispri.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"

#include "jobs/attribution_summary.hpp"
#include "jobs/enhancer_scores.hpp"
#include "jobs/enhancer_table.hpp"
#include "jobs/entries.hpp"

namespace mpira::jobs {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr char const* kArea = "uns/auprc";
constexpr char const* kPrevalence = "uns/prevalence";
constexpr char const* kPairs = "uns/pairs";
/// Which pairs an area is taken of.
std::vector<std::string> const kSets{"covered", "all"};
constexpr std::size_t kColumns = 5;

enum class Status : std::uint8_t { covered, no_gene, no_region, own_region, out_of_reach };
std::vector<std::string> const kStatusNames{"covered", "no_gene", "no_region", "own_region", "out_of_reach"};

/// A measured pair in one cell type of the scores.
struct Pair {
    std::size_t measured = 0;
    std::uint32_t cell_type = 0;
    std::vector<std::uint32_t> rows;    ///< of the gene, on the element's chromosome
    std::vector<std::int32_t> regions;  ///< that the element overlaps
    Status status = Status::no_gene;
    std::int64_t distance_bp = -1;  ///< from the element's centre to the nearest of the rows' starts
    std::size_t bin = 0;            ///< 0: none
};

class Crispri final : public store::Job {
public:
    explicit Crispri(Settings const& settings)
        : table_(settings.path("scores.file")),
          nearest_(settings.count("scores.nearest")),
          how_(gene_value_named(settings.text("genes.value"))),
          measured_(read(settings)) {
        read_bins(settings);
        place(settings);
        make_layout(settings);
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return static_cast<double>(layout_.row_count(unit));
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override;

private:
    static genome::CrispriPairs read(Settings const& settings);
    void read_bins(Settings const& settings);
    void place(Settings const& settings);
    void place(Pair& pair) const;
    [[nodiscard]] PairScores scores(Pair const& pair) const;
    void make_layout(Settings const& settings);

    EnhancerTable table_;
    std::uint64_t nearest_;
    GeneValue how_;
    genome::CrispriPairs measured_;
    std::vector<std::int64_t> edges_bp_;
    std::vector<std::string> bins_;  ///< "all", then by distance
    std::vector<Pair> pairs_;
    store::ResultLayout layout_;
};

genome::CrispriPairs Crispri::read(Settings const& settings) {
    auto const& names = settings.texts("crispri.columns");
    if (names.size() != kColumns)
        settings.refuse("crispri.columns",
                        fmt::format("expected {} names: chromosome, start, end, gene, regulated; found {}",
                                    kColumns, names.size()));
    return genome::read_crispri(settings.path("crispri.file"),
                                {names[0], names[1], names[2], names[3], names[4],
                                 settings.text("crispri.valid"), settings.text("crispri.cell_type")});
}

void Crispri::read_bins(Settings const& settings) {
    bins_ = {"all"};
    std::int64_t before = 0;
    for (auto const& text : settings.texts("crispri.bins_bp")) {
        auto const edge = text::to_integer(text);
        if (!edge || *edge <= before)
            settings.refuse("crispri.bins_bp",
                            fmt::format("'{}': expected distances in bp, ascending, above 0", text));
        bins_.push_back(fmt::format("{}-{}", before, *edge));
        edges_bp_.push_back(*edge);
        before = *edge;
    }
    bins_.push_back(fmt::format("{}-", before));
}

void Crispri::place(Settings const& settings) {
    for (std::uint32_t type = 0; type < table_.cell_types().size(); ++type) {
        for (std::size_t i = 0; i < measured_.pairs.size(); ++i) {
            auto const& of = measured_.pairs[i].cell_type;
            if (!settings.text("crispri.cell_type").empty() && of != table_.cell_types()[type]) continue;
            place(pairs_.emplace_back(Pair{i, type, {}, {}}));
        }
    }
    if (pairs_.empty())
        settings.refuse("crispri.cell_type",
                        fmt::format("no pair is of a cell type of the scores: '{}' there, '{}' here",
                                    measured_.pairs.front().cell_type, table_.cell_types().front()));
    auto const& first = measured_.pairs.front();
    if (std::ranges::all_of(measured_.pairs, [&](auto const& pair) { return table_.chrom(pair.chrom) < 0; }))
        fail_usage(fmt::format("{}: no pair is on a chromosome of the scores{}",
                               settings.text("crispri.file"),
                               text::chromosome_hint(first.chrom, table_.chrom_names())));
    if (std::ranges::none_of(pairs_, [](auto const& pair) { return pair.status == Status::covered; }))
        fail_usage(fmt::format(
            "{}: no pair is covered by the scores: {} on the first line; is it the same assembly, and are "
            "genes named in the same way?",
            settings.text("crispri.file"), kStatusNames[static_cast<std::size_t>(pairs_.front().status)]));
}

void Crispri::place(Pair& pair) const {
    auto const& measured = measured_.pairs[pair.measured];
    auto const chrom = table_.chrom(measured.chrom);
    auto const& rows = table_.rows();
    for (auto const row : table_.rows_of(measured.gene))
        if (rows[row].cell_type == pair.cell_type && rows[row].chrom == chrom) pair.rows.push_back(row);
    if (pair.rows.empty()) return;
    if (how_ == GeneValue::highest_predicted)
        pair.rows = {*std::ranges::max_element(pair.rows, {}, [&](auto row) { return rows[row].predicted; })};
    auto const centre = (measured.start + measured.end) / 2;
    auto const distance = [&](auto row) { return std::abs(rows[row].position - centre); };
    pair.distance_bp = distance(*std::ranges::min_element(pair.rows, {}, distance));
    pair.bin = 1 + static_cast<std::size_t>(std::ranges::upper_bound(edges_bp_, pair.distance_bp) -
                                            edges_bp_.begin());
    pair.regions = table_.overlapping(chrom, measured.start, measured.end);
    pair.status = pair.regions.empty() ? Status::no_region : Status::out_of_reach;
    for (auto const row : pair.rows) {
        auto const own = static_cast<std::int32_t>(rows[row].atlas_row);
        if (pair.status == Status::out_of_reach && std::ranges::binary_search(pair.regions, own))
            pair.status = Status::own_region;
        auto const in_reach = table_.scores(row, 0).regions;
        if (std::ranges::any_of(pair.regions,
                                [&](auto region) { return std::ranges::binary_search(in_reach, region); }))
            pair.status = Status::covered;
    }
}

PairScores Crispri::scores(Pair const& pair) const {
    PairScores total{};
    std::size_t count = 0;
    for (auto const row : pair.rows) {
        auto const scored = table_.scores(row, nearest_);
        std::optional<PairScores> of_row;
        for (std::size_t r = 0; r < scored.regions.size(); ++r) {
            if (!std::ranges::binary_search(pair.regions, scored.regions[r])) continue;
            if (!of_row) of_row = scored.scores[r];
            for (std::size_t s = 0; s < total.size(); ++s)
                (*of_row)[s] = std::max((*of_row)[s], scored.scores[r][s]);
        }
        if (!of_row) continue;
        ++count;
        for (std::size_t s = 0; s < total.size(); ++s) {
            if (how_ == GeneValue::max || s == kProximity)  // to the nearest start
                total[s] = count == 1 ? (*of_row)[s] : std::max(total[s], (*of_row)[s]);
            else
                total[s] += (*of_row)[s];
        }
    }
    if (how_ == GeneValue::mean)
        for (std::size_t s = 0; s < total.size(); ++s)
            if (s != kProximity) total[s] /= static_cast<double>(count);
    return total;
}

void Crispri::make_layout(Settings const& settings) {
    using store::Type;
    layout_.job = "crispri";
    layout_.rows = pairs_.size();
    layout_.rows_per_unit = settings.count("units.pairs");
    layout_.row_arrays = {{"X", Type::f64, {kPairScores.size()}}};
    auto const types = table_.cell_types().size();
    layout_.fixed_arrays = {{kArea, Type::f64, {kSets.size(), types, bins_.size(), kPairScores.size()}, {}},
                            {kPrevalence, Type::f64, {kSets.size(), types, bins_.size()}, {}},
                            {kPairs, Type::i64, {kSets.size(), types, bins_.size()}, {}}};
    layout_.identity = settings.to_json(true);
    layout_.identity["scores.content"] = table_.content_hash();
    layout_.identity["crispri.content"] = hash_file(settings.path("crispri.file"));
}

store::ResultTables Crispri::tables() const {
    store::ResultTables tables;
    auto& obs = tables.obs;
    obs.index_name = "pair";
    auto const strings = [&](char const* name, auto const& value) {
        store::StringColumn column{name, {}, true};
        for (auto const& pair : pairs_)
            column.values.emplace_back(value(pair, measured_.pairs[pair.measured]));
        obs.strings.push_back(std::move(column));
    };
    auto const integers = [&](char const* name, auto const& value) {
        store::IntegerColumn column{name, {}};
        for (auto const& pair : pairs_) column.values.push_back(value(pair, measured_.pairs[pair.measured]));
        obs.integers.push_back(std::move(column));
    };
    for (auto const& pair : pairs_) {
        auto const& one = measured_.pairs[pair.measured];
        auto name = fmt::format("{}|{}:{}-{}|{}", one.gene, one.chrom, one.start, one.end, one.line);
        if (table_.cell_types().size() > 1) name += "|" + table_.cell_types()[pair.cell_type];
        obs.index.push_back(std::move(name));
    }
    strings("cell_type", [&](auto const& pair, auto const&) { return table_.cell_types()[pair.cell_type]; });
    strings("gene", [](auto const&, auto const& one) { return one.gene; });
    strings("chrom", [](auto const&, auto const& one) { return one.chrom; });
    strings("status", [](auto const& pair, auto const&) {
        return kStatusNames[static_cast<std::size_t>(pair.status)];
    });
    strings("bin", [&](auto const& pair, auto const&) {
        return pair.bin == 0 ? std::string("none") : bins_[pair.bin];
    });
    integers("start", [](auto const&, auto const& one) { return one.start; });
    integers("end", [](auto const&, auto const& one) { return one.end; });
    integers("regulated", [](auto const&, auto const& one) { return std::int64_t{one.regulated}; });
    integers("distance_bp", [](auto const& pair, auto const&) { return pair.distance_bp; });
    integers("line", [](auto const&, auto const& one) { return one.line; });

    tables.var.index_name = "score";
    for (auto const name : kPairScores) tables.var.index.emplace_back(name);
    auto& uns = tables.uns;
    uns["axes"] = {{"sets", kSets}, {"cell_types", table_.cell_types()}, {"bins", bins_}};
    uns["not_valid"] = measured_.not_valid;
    uns["notes"]["X"] =
        "of the regions that the element overlaps the highest score; not a number where none is in reach. "
        "proximity: to the nearest start, whatever genes.value is";
    uns["notes"]["auprc"] =
        "average precision, (sets, cell types, bins, var): pairs of one score count as one step; not a "
        "number without a regulated pair. covered: pairs with a score; all: the others behind them, tied, "
        "but for proximity, which knows their distance (bins of distance: only pairs whose gene is known). "
        "prevalence, the share regulated, is what a random order reaches; pairs, how many.";
    uns["notes"]["status"] =
        "no_gene: not in the scores on that chromosome; no_region: the element overlaps none; own_region: "
        "only that of the start itself; out_of_reach: beyond perturb.reach or the window. distance_bp, from "
        "the element's centre to the nearest start: -1 where the gene is not known";
    return tables;
}

void Crispri::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    auto const x = rows.array<double>("X");
    auto const wide = kPairScores.size();
    for (std::uint64_t i = 0; i < rows.row_count(); ++i) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped between pairs");
        auto const& pair = pairs_[rows.first_row() + i];
        PairScores values;
        values.fill(kNaN);
        if (pair.status == Status::covered) values = scores(pair);
        std::ranges::copy(values, x.begin() + static_cast<std::ptrdiff_t>(i * wide));
    }
}

void Crispri::finish(store::FinishedRows& rows) {
    auto const x = rows.array<double>("X");
    auto const area = rows.fixed_array<double>(kArea);
    auto const prevalence = rows.fixed_array<double>(kPrevalence);
    auto const counts = rows.fixed_array<std::int64_t>(kPairs);
    auto const wide = kPairScores.size();
    std::size_t at = 0;
    for (std::size_t set = 0; set < kSets.size(); ++set) {
        for (std::uint32_t type = 0; type < table_.cell_types().size(); ++type) {
            for (std::size_t bin = 0; bin < bins_.size(); ++bin, ++at) {
                std::vector<std::size_t> chosen;
                std::vector<std::uint8_t> regulated;
                for (std::size_t i = 0; i < pairs_.size(); ++i) {
                    auto const& pair = pairs_[i];
                    if (pair.cell_type != type || (bin > 0 && pair.bin != bin) ||
                        (set == 0 && pair.status != Status::covered))
                        continue;
                    chosen.push_back(i);
                    regulated.push_back(measured_.pairs[pair.measured].regulated ? 1 : 0);
                }
                counts[at] = std::ssize(chosen);
                auto const positive = std::ranges::count(regulated, 1);
                prevalence[at] = chosen.empty()
                                     ? kNaN
                                     : static_cast<double>(positive) / static_cast<double>(chosen.size());
                std::string line;
                for (std::size_t s = 0; s < wide; ++s) {
                    std::vector<double> values;
                    for (auto const i : chosen) {
                        if (pairs_[i].status == Status::covered)
                            values.push_back(x[i * wide + s]);
                        else if (s == kProximity && pairs_[i].distance_bp >= 0)
                            values.push_back(-static_cast<double>(pairs_[i].distance_bp));
                        else
                            values.push_back(-std::numeric_limits<double>::infinity());
                    }
                    area[at * wide + s] = average_precision(values, regulated);
                    line += fmt::format(" {} {:.3f}", kPairScores[s], area[at * wide + s]);
                }
                log::info("{}, {} pairs, {} bp: {} pairs, {} regulated ({:.3f}); AUPRC{}",
                          table_.cell_types()[type], kSets[set], bins_[bin], chosen.size(), positive,
                          prevalence[at], line);
            }
        }
    }
}

std::string Crispri::describe() const {
    std::map<Status, std::size_t> of_status;
    for (auto const& pair : pairs_) ++of_status[pair.status];
    auto text =
        fmt::format("{} measured pairs ({} lines, {} not valid) in {} cell types:", measured_.pairs.size(),
                    measured_.lines, measured_.not_valid, table_.cell_types().size());
    for (auto const& [status, count] : of_status)
        text += fmt::format(" {} {}", count, kStatusNames[static_cast<std::size_t>(status)]);
    return text;
}

std::vector<SettingSpec> crispri_settings() {
    using Kind = SettingKind;
    genome::CrispriColumns const columns;
    return {
        {"scores.file", Kind::text, {}, "Result of mpira perturb.", Affects::run},
        {"scores.nearest",
         Kind::integer,
         std::int64_t{100},
         "Scores of a gene are divided by the sum of their magnitudes over so many regions nearest to its "
         "start, so that genes compare; 0: not.",
         Affects::result,
         {},
         0,
         1e6},
        {"crispri.file",
         Kind::text,
         {},
         "Measured pairs: a TSV with a header, also .gz; the ENCODE benchmark of CRISPR data as it is.",
         Affects::run},
        {"crispri.columns", Kind::texts,
         std::vector<std::string>{columns.chrom, columns.start, columns.end, columns.gene, columns.regulated},
         "Names of its columns: the element's chromosome, start and end (0-based, half-open), the gene's "
         "name or id, whether it is regulated (TRUE or FALSE)."},
        {"crispri.valid", Kind::text, columns.valid,
         "Column that says TRUE in lines to use; empty, or not in the file: all lines."},
        {"crispri.cell_type", Kind::text, std::string(),
         "Column with the cell type, named as in the scores; empty: every line is for every cell type."},
        {"crispri.bins_bp", Kind::texts, std::vector<std::string>{"10000", "100000"},
         "Where bins of distance end: the first begins at 0, the last is open."},
        {"genes.value", Kind::text, std::string("highest_predicted"),
         "Which of a gene's rows speak for it: the one with the highest prediction, or the mean, sum or "
         "maximum over those that have the region in reach.",
         Affects::result, kGeneValueNames},
        {"units.pairs", Kind::integer, std::int64_t{1024}, "Pairs a work unit.", Affects::result, {}, 1, 1e9},
    };
}

}  // namespace

JobEntry crispri_entry() {
    return {"crispri", "enhancer-gene scores of perturb against measured pairs (CRISPRi): AUPRC by distance",
            "mpira crispri --config crispri.toml --output crispri.h5ad", crispri_settings,
            [](Settings const& settings, Place const& /*place*/) -> std::unique_ptr<store::Job> {
                return std::make_unique<Crispri>(settings);
            }};
}

}  // namespace mpira::jobs
