#include "jobs/network_truths.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/genome/regions.hpp"

namespace mpira::jobs {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// "biogrid-4.4.tsv" -> "biogrid_4_4": the name of columns.
std::string column_name(std::string const& file) {
    auto name = std::filesystem::path(file).stem().string();
    for (auto& letter : name)
        if (std::isalnum(static_cast<unsigned char>(letter)) == 0) letter = '_';
    return name;
}

std::string column(Truth const& truth, char const* what) {
    return fmt::format("obs/{}_{}", truth.name(), what);
}

std::string by_frequency(Truth const& truth) {
    return fmt::format("uns/agreement/{}/by_frequency", truth.name());
}

}  // namespace

Annotation annotation_of(Settings const& settings, std::span<std::string const> motifs,
                         std::span<std::string const> left_out) {
    auto const file = settings.path("annotation.factors");
    return file.empty() ? Annotation(motifs) : Annotation(file, motifs, left_out);
}

NetworkTruths::NetworkTruths(Settings const& settings, Annotation const& annotation)
    : recall_(settings.number("agreement.recall")) {
    if (auto const file = settings.path("annotation.factors"); !file.empty())
        contents_["annotation"] = hash_file(file);
    if (auto const links = settings.path("agreement.string"); !links.empty()) {
        auto const names = settings.path("agreement.string_names");
        add(read_string(links, names, settings.number("agreement.string_above"), annotation), settings);
        contents_["string"] = hash_file(links);
        if (!names.empty()) contents_["string_names"] = hash_file(names);
    }
    for (auto const& file : settings.texts("agreement.pairs")) {
        add(read_pairs(file, column_name(file), annotation), settings);
        contents_[truths_.back().name()] = hash_file(file);
    }
    if (!settings.text("colocalisation.peaks").empty()) read_peaks(settings, annotation);
}

void NetworkTruths::add(Truth truth, Settings const& settings) {
    if (std::ranges::find(truths_, truth.name(), &Truth::name) != truths_.end())
        settings.refuse(
            "agreement.pairs",
            fmt::format("two truths are named '{}'; files give them their names: rename one", truth.name()));
    truths_.push_back(std::move(truth));
}

void NetworkTruths::read_peaks(Settings const& settings, Annotation const& annotation) {
    auto const file = settings.path("colocalisation.peaks");
    auto const sizes = settings.path("colocalisation.chrom_sizes");
    if (sizes.empty())
        settings.refuse("colocalisation.chrom_sizes", "name the chrom.sizes file (or .fai) of the peaks");
    auto const peaks =
        read_tiered_peaks(file, settings.text("colocalisation.score"), genome::ChromSizes::read(sizes));
    overlaps_ = overlaps_by_tier(peaks);
    for (auto const& one : peaks) {
        factors_.push_back(one.factor);
        peak_counts_.push_back(static_cast<std::int64_t>(one.peaks.size()));
    }
    contents_["peaks"] = hash_tiered_peaks(file);
    double const least = settings.number("colocalisation.true_from");
    if (least <= 0) return;
    auto const scores = colocalisation_scores(overlaps_, factors_.size());
    Truth truth("colocalisation", annotation.motif_count());
    for (std::size_t i = 0; i < factors_.size(); ++i) {
        truth.test(annotation.motifs_of(factors_[i]));
        for (std::size_t j = 0; j < i; ++j)
            if (scores[i * factors_.size() + j] >= least)
                truth.connect(annotation.motifs_of(factors_[i]), annotation.motifs_of(factors_[j]));
    }
    require(truth.pair_count() > 0,
            fmt::format(
                "colocalisation.true_from: no two motifs have factors whose peaks lie together with a "
                "score of {} or more ({} of {} motifs have a factor in {}; the largest score is {})",
                least, truth.tested_count(), truth.motif_count(), file.string(), std::ranges::max(scores)));
    add(std::move(truth), settings);
}

void NetworkTruths::add_to(store::ResultLayout& layout, bool bootstraps) const {
    using store::Type;
    for (auto const& truth : truths_) {
        layout.row_arrays.push_back({column(truth, "called"), Type::i64, {}});
        for (char const* const what : {"precision", "recall", "f1", "macro_f1", "motif_f1"})
            layout.row_arrays.push_back({column(truth, what), Type::f64, {}});
        if (bootstraps) layout.fixed_arrays.push_back({by_frequency(truth), Type::f64, {6}, {}});
    }
    auto const n = factors_.size();
    if (n > 0) {
        auto const overlaps = std::as_bytes(std::span(overlaps_));
        auto const scores = colocalisation_scores(overlaps_, n);
        auto const score_bytes = std::as_bytes(std::span(scores));
        layout.fixed_arrays.push_back({"uns/colocalisation/overlaps",
                                       Type::i64,
                                       {n, n, kTiers, kTiers},
                                       {overlaps.begin(), overlaps.end()}});
        layout.fixed_arrays.push_back(
            {"uns/colocalisation/score", Type::f64, {n, n}, {score_bytes.begin(), score_bytes.end()}});
    }
    if (!contents_.empty()) layout.identity["truths.content"] = contents_;
}

void NetworkTruths::describe(nlohmann::json& uns) const {
    if (!truths_.empty()) {
        auto& about = uns["agreement"];
        for (auto const& truth : truths_) {
            auto const tested = truth.tested_count();
            about[truth.name()] = {
                {"motifs", tested}, {"pairs", tested * (tested - 1) / 2}, {"true_pairs", truth.pair_count()}};
        }
        uns["notes"]["agreement"] = fmt::format(
            "obs/<truth>_*: pairs of motifs that the truth tested, called strongest first (absolute "
            "correlations; "
            "standardised effects) until a share of {} of the true pairs is called. macro_f1: mean of F1 of "
            "pairs "
            "called and of pairs not called; motif_f1: mean F1 over motifs with a true pair. By chance, "
            "precision "
            "is true_pairs / pairs (uns/agreement). by_frequency: called, precision, recall, f1, macro_f1 "
            "and "
            "motif_f1 where pairs are called by how often bootstraps found an edge of either direction.",
            recall_);
    }
    if (factors_.empty()) return;
    uns["colocalisation"]["factors"] = factors_;
    uns["colocalisation"]["peaks"] = peak_counts_;
    uns["notes"]["colocalisation"] =
        "score: the sum over overlapping pairs of peaks of the product of their points, 3 for a peak in the "
        "strongest third of its factor's, 2 in the middle one, 1 in the weakest; overlaps: these pairs by "
        "tiers of either, strongest first. It grows with the number of peaks.";
}

std::string NetworkTruths::summary() const {
    std::string text;
    if (!factors_.empty())
        text += fmt::format("\npeaks of {} factors: {}", factors_.size(),
                            std::accumulate(peak_counts_.begin(), peak_counts_.end(), std::int64_t{0}));
    for (auto const& truth : truths_)
        text += fmt::format("\n{}: {} true pairs among {} motifs that it tested", truth.name(),
                            truth.pair_count(), truth.tested_count());
    return text;
}

void NetworkTruths::run(Eigen::MatrixXd const& strength, store::UnitRows& out) const {
    bool const is_known = !strength.array().isNaN().all();  // of too few rows
    for (auto const& truth : truths_) {
        auto const found =
            is_known ? agreement(strength, truth, recall_) : Agreement{0, kNaN, kNaN, kNaN, kNaN, kNaN};
        out.array<std::int64_t>(column(truth, "called"))[0] = found.called;
        out.array<double>(column(truth, "precision"))[0] = found.precision;
        out.array<double>(column(truth, "recall"))[0] = found.recall;
        out.array<double>(column(truth, "f1"))[0] = found.f1;
        out.array<double>(column(truth, "macro_f1"))[0] = found.macro_f1;
        out.array<double>(column(truth, "motif_f1"))[0] = found.motif_f1;
    }
}

void NetworkTruths::finish(Eigen::MatrixXd const& frequency, store::FinishedRows& rows) const {
    for (auto const& truth : truths_) {
        auto const found = agreement(frequency, truth, recall_);
        std::ranges::copy(std::array{static_cast<double>(found.called), found.precision, found.recall,
                                     found.f1, found.macro_f1, found.motif_f1},
                          rows.fixed_array<double>(by_frequency(truth)).begin());
    }
}

}  // namespace mpira::jobs
