#include "cell_type_figures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/train/metrics.hpp"

namespace mpira::train {

namespace {

double mean_of(std::span<double const> values) {
    if (values.empty()) return kUndefined;
    double sum = 0;
    for (auto const value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

double median_of(std::vector<double> values) {
    if (values.empty()) return kUndefined;
    std::sort(values.begin(), values.end());
    auto const middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string gene_path(std::string_view what) {
    return fmt::format("uns/across_cell_types/{}", what);
}

template <typename Of>
std::vector<std::byte> gene_column(std::vector<Gene> const& genes, Of of) {
    std::vector<std::int32_t> values;
    for (auto const& gene : genes) values.push_back(static_cast<std::int32_t>(of(gene)));
    auto const bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
}

}  // namespace

void GeneCounter::add(Inputs const& held_out) {
    if (held_out.cell_types.empty()) return;
    auto const& table = held_out.table;
    ensure(table.outputs == outputs_, "runs of one sweep that differ in their outputs");
    for (auto const& run : held_out.test_runs) {
        for (auto place = run.first; place < run.end; ++place) {
            for (std::uint64_t output = 0; output < outputs_; ++output) {
                if (!table.scored.empty() && table.scored[place * outputs_ + output] == 0) continue;
                auto const gene = table.rows[place] * outputs_ + output;
                if (counts_[gene] < kLeastCellTypes) ++counts_[gene];
                if (counts_[gene] == kLeastCellTypes) wanted_[gene] = true;
            }
        }
    }
}

std::vector<Gene> GeneCounter::genes() const {
    std::vector<Gene> genes;
    for (std::uint64_t i = 0; i < wanted_.size(); ++i) {
        if (!wanted_[i]) continue;
        genes.push_back({static_cast<std::uint32_t>(i / outputs_), static_cast<std::uint32_t>(i % outputs_)});
    }
    return genes;
}

GeneFigures figures_across_cell_types(std::span<Gene const> genes, std::vector<GeneEntry> entries) {
    // Entries of a gene stay in the order of the runs.
    std::stable_sort(entries.begin(), entries.end(),
                     [](GeneEntry const& a, GeneEntry const& b) { return a.gene < b.gene; });
    GeneFigures figures;
    std::array<std::vector<double>, kGeneFigures.size()> defined;
    std::vector<float> predicted;
    std::vector<float> target;
    auto entry = entries.begin();
    for (auto const gene : genes) {
        while (entry != entries.end() && entry->gene < gene) ++entry;
        predicted.clear();
        target.clear();
        for (; entry != entries.end() && entry->gene == gene; ++entry) {
            predicted.push_back(entry->predicted);
            target.push_back(entry->target);
        }
        figures.cell_types.push_back(static_cast<std::int32_t>(target.size()));
        std::array<double, kGeneFigures.size()> const of_gene{
            pearson(predicted, target), spearman(predicted, target), r2(predicted, target)};
        for (std::size_t f = 0; f < of_gene.size(); ++f) {
            figures.values[f].push_back(of_gene[f]);
            if (std::isfinite(of_gene[f])) defined[f].push_back(of_gene[f]);
        }
    }
    for (std::size_t f = 0; f < defined.size(); ++f) {
        figures.mean[f] = mean_of(defined[f]);
        figures.median[f] = median_of(std::move(defined[f]));
    }
    return figures;
}

void add_gene_arrays(store::ResultLayout& layout, std::vector<Gene> const& genes, std::uint64_t series) {
    using store::Type;
    auto const add = [&](char const* what, Type type, std::vector<std::uint64_t> shape,
                         std::vector<std::byte> values = {}) {
        layout.fixed_arrays.push_back({gene_path(what), type, std::move(shape), std::move(values)});
    };
    auto const count = genes.size();
    add("row", Type::i32, {count}, gene_column(genes, [](Gene const& gene) { return gene.row; }));
    add("output", Type::i32, {count}, gene_column(genes, [](Gene const& gene) { return gene.output; }));
    add("cell_types", Type::i32, {series, count});
    for (auto const* const figure : kGeneFigures) add(figure, Type::f64, {series, count});
    for (auto const* const what : {"median", "mean"}) add(what, Type::f64, {series, kGeneFigures.size()});
}

void write_gene_figures(store::FinishedRows& rows, std::size_t series, GeneFigures const& figures) {
    auto const put = [&](char const* what, auto const& values) {
        using Value = std::ranges::range_value_t<decltype(values)>;
        auto const at = static_cast<std::ptrdiff_t>(series * values.size());
        std::ranges::copy(values, rows.fixed_array<Value>(gene_path(what)).begin() + at);
    };
    put("cell_types", figures.cell_types);
    for (std::size_t f = 0; f < kGeneFigures.size(); ++f) put(kGeneFigures[f], figures.values[f]);
    put("median", figures.median);
    put("mean", figures.mean);
}

std::vector<float> training_means(Inputs const& inputs) {
    auto const& table = inputs.table;
    auto const outputs = table.outputs;
    auto const rows = inputs.atlas->regions().size();
    std::vector<double> sums(rows * outputs, 0.0);
    std::vector<std::uint32_t> counts(rows, 0);
    for (auto const& run : inputs.train_runs) {
        bool const is_again =
            !table.cell_types.empty() &&
            table.cell_types[table.cell_type_of(run.first)].purpose == Purpose::augmentation;
        if (is_again) continue;  // a cell type counts once
        for (auto place = run.first; place < run.end; ++place) {
            auto const row = table.rows[place];
            ++counts[row];
            for (std::uint64_t output = 0; output < outputs; ++output) {
                sums[row * outputs + output] += static_cast<double>(table.targets[place * outputs + output]);
            }
        }
    }
    std::vector<float> means;
    for (auto const& run : inputs.test_runs) {
        for (auto place = run.first; place < run.end; ++place) {
            auto const row = table.rows[place];
            for (std::uint64_t output = 0; output < outputs; ++output) {
                means.push_back(counts[row] == 0
                                    ? std::numeric_limits<float>::quiet_NaN()
                                    : static_cast<float>(sums[row * outputs + output] / counts[row]));
            }
        }
    }
    return means;
}

SideBySide score_side_by_side(std::span<float const> first, std::span<float const> second,
                              std::span<float const> target, std::span<std::uint8_t const> scored) {
    ensure(first.size() == target.size() && second.size() == target.size() &&
               (scored.empty() || scored.size() == target.size()),
           "predictions, targets and scored entries differ in number");
    std::vector<float> kept_first;
    std::vector<float> kept_second;
    std::vector<float> kept_target;
    std::vector<std::uint8_t> kept_scored;
    for (std::size_t i = 0; i < target.size(); ++i) {
        if (std::isnan(first[i])) continue;
        kept_first.push_back(first[i]);
        kept_second.push_back(second[i]);
        kept_target.push_back(target[i]);
        if (!scored.empty()) kept_scored.push_back(scored[i]);
    }
    auto const score = [&](std::span<float const> predicted) {
        return score_entries(predicted, kept_target, kept_scored, poisson_nll(predicted, kept_target));
    };
    return {.first = score(kept_first), .second = score(kept_second)};
}

}  // namespace mpira::train
