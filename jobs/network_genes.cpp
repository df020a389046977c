#include "jobs/network_genes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"

#include "jobs/correlations.hpp"
#include "jobs/enrichment.hpp"

namespace mpira::jobs {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr char const* kTop = "obsm/top_genes";
constexpr char const* kOverlap = "obsm/enrichment_overlap";
constexpr char const* kDrawn = "obsm/enrichment_drawn";
constexpr char const* kSetSize = "obsm/enrichment_set_size";
constexpr char const* kP = "obsm/enrichment_p";
constexpr char const* kByMotif = "obsm/enrichment_adjusted_by_motif";
constexpr char const* kTested = "obs/tested_genes";
constexpr char const* kBackground = "obs/background_genes";
constexpr char const* kAdjusted = "uns/enrichment/adjusted";

std::vector<std::uint32_t> all_features(NetworkMatrix const& matrix) {
    std::vector<std::uint32_t> all(matrix.features().size());
    std::iota(all.begin(), all.end(), 0U);
    return all;
}

/// Distinct genes of these rows.
std::uint64_t count_genes(NetworkMatrix const& matrix, std::span<std::uint64_t const> rows) {
    std::vector<bool> seen(matrix.genes().size());
    for (auto const row : rows) seen[matrix.gene_of(row)] = true;
    return static_cast<std::uint64_t>(std::ranges::count(seen, true));
}

}  // namespace

bool needs_genes(Settings const& settings) {
    return settings.flag("top_genes.keep") || !settings.text("enrichment.gene_sets").empty() ||
           !settings.text("target_expression.table").empty();
}

GeneTable gene_table(NetworkMatrix const& matrix, std::span<std::uint64_t const> rows, MatrixXd const& x,
                     bool absolute) {
    constexpr auto kNone = std::numeric_limits<std::uint32_t>::max();
    GeneTable table;
    std::vector<std::uint32_t> place_of(matrix.genes().size(), kNone);
    std::vector<Index> place;
    for (auto const row : rows) {
        auto& here = place_of[matrix.gene_of(row)];
        if (here == kNone) {
            here = static_cast<std::uint32_t>(table.genes.size());
            table.genes.push_back(matrix.gene_of(row));
        }
        place.push_back(here);
    }
    table.values = MatrixXd::Constant(static_cast<Index>(table.genes.size()), x.cols(),
                                      -std::numeric_limits<double>::infinity());
    for (Index j = 0; j < x.cols(); ++j) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
            double const value = x(static_cast<Index>(i), j);
            auto& most = table.values(place[i], j);
            most = std::max(most, absolute ? std::abs(value) : value);
        }
    }
    return table;
}

TopGenes::TopGenes(Settings const& settings)
    : most(settings.count("top_genes.most")),
      share(settings.number("top_genes.share")),
      absolute(settings.text("top_genes.by") == "absolute"),
      paper(settings.flag("top_genes.paper")) {}

std::uint64_t TopGenes::count(std::uint64_t tested, std::string const& cell_type) const {
    if (!paper) return top_count(tested, most, share);
    require(
        tested >= most,
        fmt::format("top_genes.paper: exactly {} top genes are wanted, and {} has {} genes; switch it off "
                    "or lower top_genes.most",
                    most, cell_type, tested));
    return most;
}

std::vector<std::vector<std::uint32_t>> TopGenes::of(GeneTable const& table, std::uint64_t count) const {
    std::vector<std::vector<std::uint32_t>> lists(static_cast<std::size_t>(table.values.cols()));
    for (Index j = 0; j < table.values.cols(); ++j) {
        auto const column = table.values.col(j);
        if (column.maxCoeff() == column.minCoeff()) continue;
        std::span<double const> const values{column.data(), static_cast<std::size_t>(column.size())};
        lists[static_cast<std::size_t>(j)] =
            paper ? top_indices(values, count) : untied_top_indices(values, count);
    }
    return lists;
}

GeneLists::GeneLists(Settings const& settings, NetworkMatrix const& matrix)
    : matrix_(matrix), top_(settings), enriches_(!settings.text("enrichment.gene_sets").empty()) {
    if (!settings.flag("spearman.by_cell_type"))
        settings.refuse("spearman.by_cell_type",
                        "top genes and enrichment stand in the rows of cell types: switch these on");
    for (std::uint32_t type = 0; type < matrix_.cell_types().size(); ++type)
        counts_.push_back(
            top_.count(count_genes(matrix_, matrix_.rows_of(type)), matrix_.cell_types()[type]));
    width_ = std::ranges::max(counts_);
    if (enriches_) read_sets(settings);
}

void GeneLists::read_sets(Settings const& settings) {
    auto const file = settings.path("enrichment.gene_sets");
    auto const above = settings.count("enrichment.size_above"),
               below = settings.count("enrichment.size_below");
    sets_ = read_gmt(file);
    content_ = hash_file(file);
    std::uint64_t largest = 0;
    for (std::uint32_t set = 0; set < sets_.names.size(); ++set) {
        auto const size = sets_.members[set].size();
        largest = std::max<std::uint64_t>(largest, size);
        if (size > above && size < below) chosen_.push_back(set);
    }
    require(
        !chosen_.empty(),
        fmt::format("{}: none of its {} gene sets has more than {} and fewer than {} genes (the largest has "
                    "{}): see enrichment.size_above and size_below",
                    file.string(), sets_.names.size(), above, below, largest));
    std::unordered_map<std::string_view, std::uint32_t> number_of;
    for (std::uint32_t gene = 0; gene < matrix_.genes().size(); ++gene)
        number_of.emplace(matrix_.genes()[gene], gene);
    in_sets_.assign(matrix_.genes().size(), 0);
    sets_of_.resize(matrix_.genes().size());
    for (auto const& gene : sets_.genes)
        if (auto const found = number_of.find(gene); found != number_of.end()) in_sets_[found->second] = 1;
    for (std::uint32_t place = 0; place < chosen_.size(); ++place)
        for (auto const gene : sets_.members[chosen_[place]])
            if (auto const found = number_of.find(sets_.genes[gene]); found != number_of.end())
                sets_of_[found->second].push_back(place);
    for (std::uint32_t type = 0; type < matrix_.cell_types().size(); ++type) {
        auto const rows = matrix_.rows_of(type);
        require(
            std::ranges::any_of(rows, [&](auto row) { return in_sets_[matrix_.gene_of(row)] != 0; }),
            fmt::format("{}: none of its genes ('{}', ...) was tested in {} ('{}', ...); genes.names says "
                        "which of their names are compared",
                        file.string(), sets_.genes.front(), matrix_.cell_types()[type],
                        matrix_.genes()[matrix_.gene_of(rows.front())]));
    }
}

void GeneLists::add_to(store::ResultLayout& layout) const {
    using store::Type;
    auto const p = matrix_.features().size();
    layout.row_arrays.push_back({kTested, Type::i64, {}});
    layout.row_arrays.push_back({kTop, Type::i32, {p, width_}});
    if (!enriches_) return;
    layout.row_arrays.push_back({kBackground, Type::i64, {}});
    layout.row_arrays.push_back({kSetSize, Type::i32, {sets()}});
    layout.row_arrays.push_back({kDrawn, Type::i32, {p}});
    layout.row_arrays.push_back({kOverlap, Type::i32, {p, sets()}});
    layout.row_arrays.push_back({kP, Type::f64, {p, sets()}});
    layout.row_arrays.push_back({kByMotif, Type::f64, {p, sets()}});
    layout.fixed_arrays.push_back({kAdjusted, Type::f64, {matrix_.cell_types().size(), p, sets()}, {}});
    layout.identity["enrichment.content"] = content_;
}

void GeneLists::describe(nlohmann::json& uns) const {
    uns["genes"] = matrix_.genes();
    uns["notes"]["top_genes"] =
        "Rows of cell types: for each motif, its top genes, the largest value first, as indices into "
        "uns/genes; "
        "-1: none (no more of them above 0, equal values of which the last place would take a part, a motif "
        "that is the same in all genes, a row of another kind). top_genes.paper: exactly so many, whatever "
        "their values; of equal ones the first.";
    if (!enriches_) return;
    std::vector<std::string> names;
    std::vector<std::int64_t> sizes;
    for (auto const set : chosen_) {
        names.push_back(sets_.names[set]);
        sizes.push_back(static_cast<std::int64_t>(sets_.members[set].size()));
    }
    uns["enrichment"]["gene_sets"] = names;
    uns["enrichment"]["sizes"] = sizes;
    uns["notes"]["enrichment"] =
        "obsm/enrichment_*: rows of cell types, (motif, gene set) in the order of var and of "
        "uns/enrichment/gene_sets (sizes: all genes of the set in the GMT file). obs/background_genes: "
        "tested "
        "genes that the file names; enrichment_set_size: those of them in the set; enrichment_drawn: those "
        "of "
        "them among the motif's top genes; enrichment_overlap: both; enrichment_p: hypergeometric upper "
        "tail; "
        "enrichment_adjusted_by_motif: Benjamini-Hochberg over the sets of one motif and cell type. "
        "uns/enrichment/adjusted (uns/cell_types, motifs, sets): the same over all tests of the run.";
}

std::string GeneLists::summary() const {
    auto const [least, most] = std::ranges::minmax(counts_);
    auto text = fmt::format("top genes of a motif: {}", least);
    if (most > least) text += fmt::format(" to {}", most);
    if (enriches_)
        text += fmt::format("; tested for enrichment in {} of {} gene sets", sets(), sets_.names.size());
    return text;
}

void GeneLists::run_without(store::UnitRows& out) const {
    std::ranges::fill(out.array<std::int32_t>(kTop), -1);
    if (!enriches_) return;
    std::ranges::fill(out.array<double>(kP), kNan);
    std::ranges::fill(out.array<double>(kByMotif), kNan);
}

void GeneLists::run(std::uint32_t cell_type, std::span<std::uint64_t const> rows, MatrixXd const& x,
                    store::UnitRows& out, std::stop_token const& stop) const {
    run_without(out);
    auto const table = gene_table(matrix_, rows, x, top_.absolute);
    auto const lists = top_.of(table, counts_[cell_type]);
    out.array<std::int64_t>(kTested)[0] = static_cast<std::int64_t>(table.genes.size());
    auto const top = out.array<std::int32_t>(kTop);
    for (std::size_t motif = 0; motif < lists.size(); ++motif)
        for (std::size_t i = 0; i < lists[motif].size(); ++i)
            top[motif * width_ + i] = static_cast<std::int32_t>(table.genes[lists[motif][i]]);
    if (enriches_) enrich(table, lists, out, stop);
}

void GeneLists::enrich(GeneTable const& table, std::vector<std::vector<std::uint32_t>> const& lists,
                       store::UnitRows& out, std::stop_token const& stop) const {
    std::uint64_t background = 0;
    auto const set_size = out.array<std::int32_t>(kSetSize);
    for (auto const gene : table.genes) {
        background += in_sets_[gene];
        for (auto const place : sets_of_[gene]) ++set_size[place];
    }
    out.array<std::int64_t>(kBackground)[0] = static_cast<std::int64_t>(background);
    auto const drawn = out.array<std::int32_t>(kDrawn);
    auto const overlaps = out.array<std::int32_t>(kOverlap);
    auto const p = out.array<double>(kP), by_motif = out.array<double>(kByMotif);
    // Motifs draw alike, so that the same few numbers come again and again.
    std::map<std::array<std::int32_t, 3>, double> known;
    for (std::size_t motif = 0; motif < lists.size(); ++motif) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within an enrichment");
        if (lists[motif].empty()) continue;
        auto const overlap = overlaps.subspan(motif * sets(), sets());
        for (auto const i : lists[motif]) {
            drawn[motif] += in_sets_[table.genes[i]];
            for (auto const place : sets_of_[table.genes[i]]) ++overlap[place];
        }
        for (std::size_t place = 0; place < sets(); ++place) {
            auto const [found, is_new] =
                known.try_emplace({overlap[place], drawn[motif], set_size[place]}, 0.0);
            if (is_new)
                found->second = over_representation(static_cast<std::uint64_t>(overlap[place]),
                                                    static_cast<std::uint64_t>(drawn[motif]),
                                                    static_cast<std::uint64_t>(set_size[place]), background);
            p[motif * sets() + place] = found->second;
        }
        auto const adjusted = by_motif.subspan(motif * sets(), sets());
        std::ranges::copy(p.subspan(motif * sets(), sets()), adjusted.begin());
        benjamini_hochberg(adjusted);
    }
}

void GeneLists::finish(store::FinishedRows& rows) const {
    if (!enriches_) return;
    auto const adjusted = rows.fixed_array<double>(kAdjusted);
    std::ranges::copy(rows.array<double>(kP).first(adjusted.size()), adjusted.begin());
    benjamini_hochberg(adjusted);
}

TargetExpression::TargetExpression(Settings const& settings, NetworkMatrix const& matrix,
                                   Annotation const& annotation)
    : matrix_(matrix),
      top_(settings),
      table_(settings.path("target_expression.table"), matrix.cell_types()),
      content_(hash_file(settings.path("target_expression.table"))) {
    auto const types = matrix_.cell_types().size();
    if (types < 3)
        settings.refuse("target_expression.table",
                        fmt::format("correlations over cell types need three of them or more, matrix.files "
                                    "have {}",
                                    types));
    for (auto const& [motif, factor] : annotation.pairs()) {
        if (!table_.of(factor).empty())
            pairs_.push_back({motif, factor});
        else if (std::ranges::find(without_expression_, factor) == without_expression_.end())
            without_expression_.push_back(factor);
    }
    auto const& file = settings.text("target_expression.table");
    require(!pairs_.empty(),
            fmt::format("{}: no factor of annotation.factors ('{}', ...) is in its first column", file,
                        without_expression_.front()));
    require(
        std::ranges::any_of(matrix_.genes(), [&](auto const& gene) { return !table_.of(gene).empty(); }),
        fmt::format("{}: no gene of the matrix ('{}', ...) is in its first column; genes.names says which "
                    "of their names are compared",
                    file, matrix_.genes().front()));
    count_ = top_.count(matrix_.genes().size(), "all cell types together");
}

void TargetExpression::add_to(store::ResultLayout& layout) const {
    using store::Type;
    auto const add = [&](char const* name, Type type, std::vector<std::uint64_t> shape) {
        layout.fixed_arrays.push_back(
            {fmt::format("uns/target_expression/{}", name), type, std::move(shape), {}});
    };
    add("pearson", Type::f64, {pairs_.size()});
    add("spearman", Type::f64, {pairs_.size()});
    add("targets", Type::i64, {pairs_.size()});
    add("of_factor", Type::f64, {pairs_.size(), matrix_.cell_types().size()});
    add("of_targets", Type::f64, {pairs_.size(), matrix_.cell_types().size()});
    add("top_genes", Type::i32, {matrix_.features().size(), count_});
    layout.identity["target_expression.content"] = content_;
}

void TargetExpression::describe(nlohmann::json& uns) const {
    std::vector<std::string> motifs, factors;
    for (auto const& [motif, factor] : pairs_) {
        motifs.push_back(matrix_.features()[motif]);
        factors.push_back(factor);
    }
    auto& table = uns["target_expression"];
    table["motif"] = motifs;
    table["factor"] = factors;
    table["without_expression"] = without_expression_;
    uns["genes"] = matrix_.genes();
    uns["notes"]["target_expression"] =
        "A place for each factor of a motif: correlations over uns/cell_types of the factor's expression "
        "(of_factor) with the mean expression (of_targets) of the motif's top genes in the mean of the "
        "gene-by-motif matrices of cell types (top_genes, indices into uns/genes), the factor left out; "
        "targets: how many of them the table has.";
}

std::string TargetExpression::summary() const {
    auto text = fmt::format("expression of {} factors of motifs beside that of their targets", pairs_.size());
    if (!without_expression_.empty())
        text += fmt::format("; {} factors are not in the table: {}{}", without_expression_.size(),
                            without_expression_.front(), without_expression_.size() > 1 ? ", ..." : "");
    return text;
}

void TargetExpression::finish(store::FinishedRows& rows) const {
    auto const p = static_cast<Index>(matrix_.features().size());
    auto const genes = static_cast<Index>(matrix_.genes().size());
    auto const types = matrix_.cell_types().size();
    GeneTable mean;
    mean.genes.resize(matrix_.genes().size());
    std::iota(mean.genes.begin(), mean.genes.end(), 0U);
    mean.values = MatrixXd::Zero(genes, p);
    Eigen::ArrayXd tested = Eigen::ArrayXd::Zero(genes);
    auto const features = all_features(matrix_);
    for (std::uint32_t type = 0; type < types; ++type) {
        auto const of_type = matrix_.rows_of(type);
        auto const table = gene_table(matrix_, of_type, matrix_.read(of_type, features), top_.absolute);
        for (std::size_t i = 0; i < table.genes.size(); ++i) {
            mean.values.row(table.genes[i]) += table.values.row(static_cast<Index>(i));
            ++tested[table.genes[i]];
        }
    }
    mean.values.array().colwise() /= tested;  // each was tested in some cell type
    auto const lists = top_.of(mean, count_);

    auto const top = rows.fixed_array<std::int32_t>("uns/target_expression/top_genes");
    std::ranges::fill(top, -1);
    for (std::size_t motif = 0; motif < lists.size(); ++motif)
        std::ranges::copy(lists[motif], top.subspan(motif * count_).begin());
    auto const pearson = rows.fixed_array<double>("uns/target_expression/pearson");
    auto const spearman = rows.fixed_array<double>("uns/target_expression/spearman");
    auto const targets = rows.fixed_array<std::int64_t>("uns/target_expression/targets");
    auto const of_factor = rows.fixed_array<double>("uns/target_expression/of_factor");
    auto const of_targets = rows.fixed_array<double>("uns/target_expression/of_targets");
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
        auto const& [motif, factor] = pairs_[pair];
        auto const own = table_.of(factor);
        std::ranges::copy(own, of_factor.subspan(pair * types).begin());
        auto const sum = of_targets.subspan(pair * types, types);
        std::ranges::fill(sum, 0.0);
        std::int64_t found = 0;
        for (auto const gene : lists[motif]) {
            auto const values = table_.of(matrix_.genes()[gene]);
            if (values.empty() || matrix_.genes()[gene] == factor) continue;
            ++found;
            for (std::size_t type = 0; type < types; ++type) sum[type] += values[type];
        }
        for (auto& one : sum) one = found > 0 ? one / static_cast<double>(found) : kNan;
        auto const both = found > 0 ? correlations(own, sum) : Correlations{kNan, kNan};
        targets[pair] = found;
        pearson[pair] = both.pearson;
        spearman[pair] = both.spearman;
    }
}

}  // namespace mpira::jobs
