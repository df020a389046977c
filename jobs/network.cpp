#include "jobs/network.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <ranges>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

#include "jobs/entries.hpp"
#include "jobs/network_genes.hpp"
#include "jobs/network_matrix.hpp"
#include "jobs/network_statistics.hpp"
#include "jobs/network_truths.hpp"

namespace mpira::jobs {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

/// Numbers of the draws: the sample of rows, then the bootstraps.
constexpr std::uint32_t kSampleDraws = 0;
constexpr std::uint32_t kFirstBootstrap = 1;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

enum class Kind { spearman, lingam, bootstrap };

struct Network {
    Kind kind = Kind::spearman;
    std::optional<std::uint32_t> cell_type{};  ///< nothing: the sample of all
    std::uint32_t replicate = 0;
};

std::string_view name_of(Kind kind) {
    return kind == Kind::spearman ? "spearman" : kind == Kind::lingam ? "lingam" : "lingam_bootstrap";
}

/// `count` of [0, rows) without replacement, ascending (a partial shuffle of Fisher and Yates).
std::vector<std::uint64_t> sample(std::uint64_t rows, std::uint64_t count, std::uint64_t seed) {
    std::vector<std::uint64_t> all(rows);
    std::iota(all.begin(), all.end(), std::uint64_t{0});
    if (count >= rows) return all;
    Draws draws(seed, Stream::data, kSampleDraws);
    for (std::uint64_t i = 0; i < count; ++i) std::swap(all[i], all[i + draws.below(rows - i)]);
    all.resize(count);
    std::ranges::sort(all);
    return all;
}

Eigen::ArrayXd standard_deviations(MatrixXd const& x) {
    Eigen::ArrayXd sd(x.cols());
    for (Index j = 0; j < x.cols(); ++j)
        sd[j] = std::sqrt((x.col(j).array() - x.col(j).mean()).square().mean());
    return sd;
}

/// The effect of a standard deviation's change of column j on row i, in standard deviations of i.
MatrixXd standardised_effects(MatrixXd const& effects, MatrixXd const& x) {
    auto const sd = standard_deviations(x);
    MatrixXd scaled = effects * sd.matrix().asDiagonal();
    for (Index i = 0; i < scaled.rows(); ++i)
        if (sd[i] > 0) scaled.row(i) /= sd[i];  // a constant motif has no edges
    return scaled;
}

/// Columns with at least two values.
std::vector<std::uint32_t> varying(MatrixXd const& x) {
    std::vector<std::uint32_t> columns;
    for (Index j = 0; j < x.cols(); ++j)
        if (x.col(j).maxCoeff() > x.col(j).minCoeff()) columns.push_back(static_cast<std::uint32_t>(j));
    return columns;
}

class NetworkJob final : public store::Job {
public:
    explicit NetworkJob(Settings const& settings)
        : seed_(settings.count("seed")),
          matrix_(settings.texts("matrix.files"), settings.text("matrix.values"),
                  settings.texts("matrix.drop"), needs_genes(settings) ? settings.text("genes.names") : "",
                  settings.text("matrix.output")),
          sample_(sample(matrix_.rows(), settings.count("pooled.rows"), seed_)) {
        drop_constant(settings.flag("lingam.pooled"));
        if (settings.flag("spearman.by_cell_type"))
            for (std::uint32_t type = 0; type < matrix_.cell_types().size(); ++type)
                networks_.push_back({Kind::spearman, type});
        if (settings.flag("spearman.pooled")) networks_.push_back({Kind::spearman});
        bool const causal = settings.flag("lingam.pooled");
        auto const bootstraps = causal ? settings.count("lingam.bootstraps") : 0;
        if (causal) networks_.push_back({Kind::lingam});
        for (std::uint32_t b = 0; b < bootstraps; ++b) networks_.push_back({Kind::bootstrap, {}, b});
        if (networks_.empty())
            settings.refuse("spearman.pooled", "no network is left to compute; switch one of them on");
        if (causal && sample_.size() <= matrix_.features().size() + 1)
            settings.refuse(
                "lingam.pooled",
                fmt::format("{} rows are too few for {} motifs: DirectLiNGAM needs more rows than "
                            "motifs",
                            sample_.size(), matrix_.features().size()));
        auto left_out = constant_;
        left_out.insert(left_out.end(), settings.texts("matrix.drop").begin(),
                        settings.texts("matrix.drop").end());
        auto const annotation = annotation_of(settings, matrix_.features(), left_out);
        truths_.emplace(settings, annotation);
        if (settings.flag("top_genes.keep") || !settings.text("enrichment.gene_sets").empty())
            gene_lists_.emplace(settings, matrix_);
        if (!settings.text("target_expression.table").empty())
            target_expression_.emplace(settings, matrix_, annotation);
        make_layout(settings);
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        auto const p = static_cast<double>(matrix_.features().size());
        auto const n = static_cast<double>(sample_.size());
        // An entropy of a residual costs some 20 multiplications.
        return networks_[unit].kind == Kind::spearman ? n * p * p : 20 * n * p * p * p / 3;
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override {
        auto text = fmt::format("{} rows x {} motifs of {} cell types; {} networks, pooled ones on {} rows",
                                matrix_.rows(), matrix_.features().size(), matrix_.cell_types().size(),
                                networks_.size(), sample_.size());
        if (!constant_.empty())
            text += fmt::format("\n{} motifs are the same in all sampled rows and left out: {}{}",
                                constant_.size(), constant_.front(), constant_.size() > 1 ? ", ..." : "");
        text += few_rows();
        if (gene_lists_) text += "\n" + gene_lists_->summary();
        if (target_expression_) text += "\n" + target_expression_->summary();
        return text + truths_->summary();
    }

private:
    void drop_constant(bool causal) {
        std::vector<std::uint32_t> all(matrix_.features().size());
        std::iota(all.begin(), all.end(), 0U);
        auto const x = matrix_.read(sample_, all);
        auto const kept = varying(x);
        for (auto const feature : all)
            if (!std::ranges::binary_search(kept, feature)) constant_.push_back(matrix_.features()[feature]);
        if (kept.size() < 2)
            fail_usage(
                fmt::format("matrix.files: {} of {} motifs are the same in all sampled rows: networks need "
                            "two that vary",
                            constant_.size(), all.size()));
        matrix_.keep(kept);
        sd_ = standard_deviations(x(Eigen::all, kept));
        if (!causal) return;
        // Here rather than hours later, in the unit that would find it.
        if (auto const found = collinear(x(Eigen::all, kept)); !found.empty())
            fail_usage(fmt::format(
                "matrix.files: '{}' and '{}' are multiples of each other, up to what other motifs "
                "explain ({} such): name one of them in matrix.drop, or switch off "
                "lingam.pooled",
                matrix_.features()[static_cast<std::size_t>(found.front().with)],
                matrix_.features()[static_cast<std::size_t>(found.front().column)], found.size()));
    }
    void make_layout(Settings const& settings);
    [[nodiscard]] std::string few_rows() const;
    [[nodiscard]] std::vector<std::uint64_t> rows_of(Network const& network) const;

    std::uint64_t seed_;
    NetworkMatrix matrix_;
    std::vector<std::uint64_t> sample_;
    std::vector<std::string> constant_;
    Eigen::ArrayXd sd_;  ///< of motifs, over the sample
    std::vector<Network> networks_;
    std::optional<NetworkTruths> truths_;
    std::optional<GeneLists> gene_lists_;
    std::optional<TargetExpression> target_expression_;
    store::ResultLayout layout_;
};

/// What to say of networks that have too few rows to be believed.
std::string NetworkJob::few_rows() const {
    constexpr std::uint64_t kFewGenes = 10, kFewRowsAMotif = 10;
    std::string text;
    std::vector<std::string> small;
    for (std::uint32_t type = 0; type < matrix_.cell_types().size(); ++type)
        if (matrix_.rows_of(type).size() < kFewGenes) small.push_back(matrix_.cell_types()[type]);
    if (!small.empty())
        text += fmt::format("\n{} cell types have fewer than {} rows, of which correlations say little: {}{}",
                            small.size(), kFewGenes, small.front(), small.size() > 1 ? ", ..." : "");
    bool const causal =
        std::ranges::any_of(networks_, [](auto const& one) { return one.kind == Kind::lingam; });
    if (causal && sample_.size() < kFewRowsAMotif * matrix_.features().size())
        text += fmt::format(
            "\n{} rows are few for {} motifs: DirectLiNGAM finds edges in noise below some ten rows a motif",
            sample_.size(), matrix_.features().size());
    return text;
}

void NetworkJob::make_layout(Settings const& settings) {
    auto const p = matrix_.features().size();
    layout_.job = "network";
    layout_.rows = networks_.size();
    layout_.rows_per_unit = 1;
    using store::Type;
    layout_.row_arrays = {{"X", Type::f64, {p}},
                          {"obsm/network", Type::f64, {p, p}},
                          {"obsm/order", Type::i32, {p}},
                          {"obs/rows", Type::i64, {}}};
    auto const has = [&](Kind kind) {
        return std::ranges::any_of(networks_,
                                   [kind](auto const& one) { return one.kind == kind && !one.cell_type; });
    };
    if (has(Kind::spearman)) layout_.fixed_arrays.push_back({"varp/spearman", Type::f64, {p, p}, {}});
    if (has(Kind::lingam)) layout_.fixed_arrays.push_back({"varp/lingam", Type::f64, {p, p}, {}});
    if (has(Kind::bootstrap)) {
        layout_.fixed_arrays.push_back({"varp/lingam_frequency", Type::f64, {p, p}, {}});
        layout_.fixed_arrays.push_back({"varp/lingam_mean", Type::f64, {p, p}, {}});
    }
    layout_.identity = settings.to_json(true);
    layout_.identity["matrix.content"] = matrix_.content_hash();
    truths_->add_to(layout_, has(Kind::bootstrap));
    if (gene_lists_) gene_lists_->add_to(layout_);
    if (target_expression_) target_expression_->add_to(layout_);
}

store::ResultTables NetworkJob::tables() const {
    store::ResultTables tables;
    tables.obs.index_name = "network";
    store::StringColumn kind{"kind", {}, true};
    store::StringColumn cell_type{"cell_type", {}, true};
    store::IntegerColumn replicate{"replicate", {}};
    for (auto const& one : networks_) {
        auto const type = one.cell_type ? matrix_.cell_types()[*one.cell_type] : std::string("all");
        auto name = fmt::format("{}|{}", name_of(one.kind), one.cell_type ? type : "pooled");
        if (one.kind == Kind::bootstrap) name += fmt::format("|{}", one.replicate);
        tables.obs.index.push_back(std::move(name));
        kind.values.emplace_back(name_of(one.kind));
        cell_type.values.push_back(type);
        replicate.values.push_back(one.replicate);
    }
    tables.obs.strings = {kind, cell_type};
    tables.obs.integers = {replicate};
    tables.var.index_name = "motif";
    tables.var.index = matrix_.features();
    tables.uns["constant_motifs"] = constant_;
    tables.uns["cell_types"] = matrix_.cell_types();
    tables.uns["motif_sd"] = std::vector<double>(sd_.begin(), sd_.end());
    tables.uns["notes"]["X"] =
        "sum of the absolute weights that tie a motif to the others; of causal networks, "
        "of its effects on them";
    tables.uns["notes"]["network"] =
        "spearman: correlations. lingam: [i, j] is the effect of motif j on motif i; varp/lingam_frequency: "
        "share of the bootstraps that have the edge; a motif that is constant in a bootstrap, or that "
        "earlier motifs explain there, has none in it. Rows drawn twice make edges of noise, too: compare a "
        "frequency with the mean over all pairs. uns/motif_sd, over the sampled rows, makes weights of "
        "motifs compare: [i, j] * sd[j] / sd[i].";
    tables.uns["notes"]["order"] =
        "place of each motif in the causal order, causes first; -1: no causal network";
    truths_->describe(tables.uns);
    if (gene_lists_) gene_lists_->describe(tables.uns);
    if (target_expression_) target_expression_->describe(tables.uns);
    return tables;
}

std::vector<std::uint64_t> NetworkJob::rows_of(Network const& network) const {
    if (network.cell_type) return matrix_.rows_of(*network.cell_type);
    if (network.kind != Kind::bootstrap) return sample_;
    Draws draws(seed_, Stream::data, kFirstBootstrap + network.replicate);
    std::vector<std::uint64_t> drawn(sample_.size());
    for (auto& row : drawn) row = sample_[draws.below(sample_.size())];
    return drawn;
}

void NetworkJob::run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) {
    auto const& network = networks_[unit];
    auto const& names = matrix_.features();
    auto const p = names.size();
    auto const chosen = rows_of(network);
    std::vector<std::uint32_t> all(p);
    std::iota(all.begin(), all.end(), 0U);
    MatrixXd const x = matrix_.read(chosen, all);
    auto const order = rows.array<std::int32_t>("obsm/order");
    std::ranges::fill(order, -1);
    MatrixXd weights;
    constexpr Index kFewestRows = 3;  // of two, each correlation is 1 or -1
    if (network.kind == Kind::spearman && x.rows() < kFewestRows) {
        weights = MatrixXd::Constant(static_cast<Index>(p), static_cast<Index>(p), kNan);
    } else if (network.kind == Kind::spearman) {
        weights = spearman(x);
    } else {
        // A rare motif may be missing from a bootstrap, or stand beside another one in all rows drawn: it
        // then has no edges and comes last.
        auto kept = varying(x);
        if (network.kind == Kind::bootstrap) {
            auto const explained = collinear(x(Eigen::all, kept));
            for (auto const& one : std::views::reverse(explained)) kept.erase(kept.begin() + one.column);
        }
        std::vector<std::string> kept_names;
        for (auto const column : kept) kept_names.push_back(names[column]);
        auto const model =
            direct_lingam(kept.size() == p ? x : MatrixXd(x(Eigen::all, kept)), kept_names, stop);
        weights = MatrixXd::Zero(static_cast<Index>(p), static_cast<Index>(p));
        weights(kept, kept) = model.adjacency;
        std::int32_t place = 0;
        for (auto const column : model.order) order[kept[static_cast<std::size_t>(column)]] = place++;
        for (auto& one : order)
            if (one < 0) one = place++;
    }
    auto const out = rows.array<double>("obsm/network");
    auto const strength = rows.array<double>("X");
    for (std::size_t i = 0; i < p; ++i) {
        for (std::size_t j = 0; j < p; ++j) {
            double const weight = weights(static_cast<Index>(i), static_cast<Index>(j));
            out[i * p + j] = weight;
            // A motif that is constant in one cell type has no correlations there.
            if (i != j && !std::isnan(weight)) strength[j] += std::abs(weight);
        }
    }
    if (weights.array().isNaN().all()) std::ranges::fill(strength, kNan);
    rows.array<std::int64_t>("obs/rows")[0] = static_cast<std::int64_t>(chosen.size());
    if (truths_->wants_strengths()) {
        // Effects as if all motifs had the same spread: those of rare motifs would come first otherwise.
        if (network.kind != Kind::spearman) weights = standardised_effects(weights, x);
        truths_->run(weights, rows);
    }
    if (!gene_lists_) return;
    if (network.cell_type)
        gene_lists_->run(*network.cell_type, chosen, x, rows, stop);
    else
        gene_lists_->run_without(rows);
}

void NetworkJob::finish(store::FinishedRows& rows) {
    if (gene_lists_) gene_lists_->finish(rows);
    if (target_expression_) target_expression_->finish(rows);
    auto const all = rows.array<double>("obsm/network");
    auto const size = matrix_.features().size() * matrix_.features().size();
    auto const fixed = [&](char const* path) { return rows.fixed_array<double>(path); };
    std::vector<double> frequency(size), mean(size);
    double bootstraps = 0;
    for (std::size_t row = 0; row < networks_.size(); ++row) {
        auto const& network = networks_[row];
        auto const weights = all.subspan(row * size, size);
        if (network.cell_type) continue;
        if (network.kind == Kind::spearman) std::ranges::copy(weights, fixed("varp/spearman").begin());
        if (network.kind == Kind::lingam) std::ranges::copy(weights, fixed("varp/lingam").begin());
        if (network.kind != Kind::bootstrap) continue;
        ++bootstraps;
        for (std::size_t i = 0; i < size; ++i) {
            frequency[i] += weights[i] != 0 ? 1 : 0;
            mean[i] += weights[i];
        }
    }
    if (bootstraps == 0) return;
    auto const divided = [bootstraps](double sum) { return sum / bootstraps; };
    std::ranges::transform(frequency, fixed("varp/lingam_frequency").begin(), divided);
    std::ranges::transform(mean, fixed("varp/lingam_mean").begin(), divided);
    auto const p = static_cast<Index>(matrix_.features().size());
    Eigen::Map<MatrixXd const> const directed(frequency.data(), p, p);  // transposed, which the sum undoes
    truths_->finish(directed + directed.transpose(), rows);
}

}  // namespace

JobEntry network_entry() {
    return {"network",
            "motif-motif networks from gene-by-motif matrices: correlation, causal order, bootstraps",
            "mpirun -n 2 mpira network --config network.toml --output network.h5ad", network_settings,
            [](Settings const& settings, Place const& /*place*/) -> std::unique_ptr<store::Job> {
                return std::make_unique<NetworkJob>(settings);
            }};
}

}  // namespace mpira::jobs
