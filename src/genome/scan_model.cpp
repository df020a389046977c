#include "mpira/genome/scan_model.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/fasta.hpp"

namespace mpira::genome {

void Composition::add(std::string_view sequence) {
    std::array<std::int64_t, 256> letters{};
    for (char const letter : sequence) ++letters[static_cast<unsigned char>(letter)];
    constexpr std::string_view kUpper = "ACGT";
    constexpr std::string_view kLower = "acgt";
    for (std::size_t base = 0; base < 4; ++base) {
        counts_[base] += letters[static_cast<unsigned char>(kUpper[base])] +
                         letters[static_cast<unsigned char>(kLower[base])];
    }
}

Background Composition::symmetrised() const {
    auto const weak = static_cast<double>(counts_[0] + counts_[3]);
    auto const strong = static_cast<double>(counts_[1] + counts_[2]);
    require(weak > 0 && strong > 0,
            "the sequence has no A or T, or no C or G: no background can be taken from it; give one");
    double const at = weak / (2 * (weak + strong));
    double const cg = strong / (2 * (weak + strong));
    return {at, cg, cg, at};
}

Background background_of(Fasta& fasta) {
    constexpr std::int64_t kPiece = 1 << 20;
    Composition composition;
    for (std::size_t i = 0; i < fasta.size(); ++i) {
        std::int64_t const length = fasta.lengths()[i];
        for (std::int64_t start = 0; start < length; start += kPiece) {
            composition.add(fasta.fetch(i, start, std::min(length, start + kPiece)));
        }
    }
    return composition.symmetrised();
}

namespace {

bool is_background(Background const& background) {
    double const sum = std::accumulate(background.begin(), background.end(), 0.0);
    return std::ranges::all_of(background, [](double p) { return std::isfinite(p) && p > 0; }) &&
           std::abs(sum - 1) < 0.01;
}

void check_settings(ScanSettings const& settings) {
    if (!(settings.p_value > 0 && settings.p_value < 1)) {
        fail_usage(fmt::format("scan: p-value {} is not between 0 and 1", settings.p_value));
    }
    if (settings.pseudocount && !(*settings.pseudocount > 0 && std::isfinite(*settings.pseudocount))) {
        fail_usage(
            fmt::format("scan: pseudocount {}: a positive number was expected (0 makes log-odds of "
                        "minus infinity)",
                        *settings.pseudocount));
    }
    if (settings.scan_length < 0) {
        fail_usage(fmt::format("scan: scan_length {} bp: 0 or more was expected", settings.scan_length));
    }
}

}  // namespace

std::optional<Background> parse_background(std::string_view text) {
    auto const fields = text::split(text, ',');
    Background background{};
    bool good = fields.size() == 4;
    for (std::size_t base = 0; good && base < 4; ++base) {
        auto const value = text::to_number(text::trim(fields[base]));
        good = value.has_value();
        if (good) background[base] = *value;
    }
    if (!good || !is_background(background)) return std::nullopt;
    double const sum = std::accumulate(background.begin(), background.end(), 0.0);
    for (double& p : background) p /= sum;
    return background;
}

std::vector<std::int32_t> log_odds(Motif const& motif, Background const& background,
                                   std::optional<double> pseudocount) {
    std::vector<std::int32_t> matrix;
    matrix.reserve(4 * motif.width());
    for (auto const& column : motif.counts) {
        double const n = column[0] + column[1] + column[2] + column[3];
        double const extra = pseudocount.value_or(std::sqrt(n));
        for (std::size_t base = 0; base < 4; ++base) {
            double const p = (column[base] + background[base] * extra) / (n + extra);
            matrix.push_back(static_cast<std::int32_t>(std::rint(1000 * std::log2(p / background[base]))));
        }
    }
    return matrix;
}

std::optional<std::int32_t> threshold_for(std::span<std::int32_t const> matrix, Background const& background,
                                          double p_value) {
    // probability[k]: of the columns so far scoring `lowest` + k.
    std::vector<double> probability{1.0};
    std::int64_t lowest = 0;
    for (std::size_t column = 0; column < matrix.size(); column += 4) {
        auto const scores = matrix.subspan(column, 4);
        auto const [least, most] = std::ranges::minmax(scores);
        // Each new score comes from at most four old ones; zeros around them save the tests.
        auto const spread = static_cast<std::size_t>(most - least);
        std::vector<double> padded(probability.size() + 2 * spread);
        std::ranges::copy(probability, padded.begin() + static_cast<std::ptrdiff_t>(spread));
        std::array<double const*, 4> from{};
        for (std::size_t base = 0; base < 4; ++base) from[base] = padded.data() + (most - scores[base]);
        probability.assign(probability.size() + spread, 0.0);
        for (std::size_t k = 0; k < probability.size(); ++k) {
            probability[k] = background[0] * from[0][k] + background[1] * from[1][k] +
                             background[2] * from[2][k] + background[3] * from[3][k];
        }
        lowest += least;
    }
    double tail = 0;
    std::optional<std::int32_t> threshold;
    for (std::size_t k = probability.size(); k-- > 0;) {
        tail += probability[k];
        if (tail > p_value) break;
        // A score that no word has adds nothing: the threshold stays on one that some word has.
        if (probability[k] > 0) threshold = static_cast<std::int32_t>(lowest + static_cast<std::int64_t>(k));
    }
    return threshold;
}

ScanModel make_scan_model(std::span<Motif const> motifs, MotifFeatures const& features,
                          Background const& background, ScanSettings const& settings) {
    check_settings(settings);
    require(is_background(background), "scan: the background must be four positive probabilities of sum 1");
    ensure(features.of_motif.size() == motifs.size(), "make_scan_model: a feature for each motif");
    ScanModel model;
    model.feature_names = features.names;
    model.background = background;
    model.p_value = settings.p_value;
    model.scan_length = settings.scan_length;
    std::size_t short_ones = 0;
    for (std::size_t m = 0; m < motifs.size(); ++m) {
        if (features.of_motif[m] < 0) continue;
        auto const& motif = motifs[m];
        if (motif.width() == 0 || motif.width() > ScanModel::kMaxWidth) {
            fail_usage(fmt::format("motif {} ({}): a width of {}; 1 to {} can be scanned", motif.id,
                                   motif.name, motif.width(), ScanModel::kMaxWidth));
        }
        auto const matrix = log_odds(motif, background, settings.pseudocount);
        auto threshold = threshold_for(matrix, background, settings.p_value);
        if (!threshold) {
            ++short_ones;
            std::int32_t best = 0;
            for (std::size_t column = 0; column < matrix.size(); column += 4) {
                best += std::ranges::max(std::span(matrix).subspan(column, 4));
            }
            threshold = settings.short_motifs == ShortMotifs::best_word ? best : ScanModel::kNever;
        }
        model.motif_ids.push_back(motif.id);
        model.motif_names.push_back(motif.name);
        model.widths.push_back(static_cast<std::int32_t>(motif.width()));
        model.matrices.insert(model.matrices.end(), matrix.begin(), matrix.end());
        model.thresholds.push_back(*threshold);
        model.features.push_back(features.of_motif[m]);
    }
    log::debug("scan: {} motifs, {} features; {} motifs have no word rarer than p = {:g}",
               model.motif_count(), model.feature_count(), short_ones, settings.p_value);
    model.check("the motif set");
    return model;
}

std::span<std::int32_t const> ScanModel::matrix(std::size_t m) const {
    std::size_t before = 0;
    for (std::size_t i = 0; i < m; ++i) before += static_cast<std::size_t>(widths.at(i));
    return std::span(matrices).subspan(4 * before, 4 * static_cast<std::size_t>(widths.at(m)));
}

std::string ScanModel::hash() const {
    ContentHash content;
    content.add("mpira scan model 1");
    for (auto const* names : {&motif_ids, &motif_names, &feature_names}) {
        content.add(fmt::format("{}", names->size()));
        for (auto const& name : *names) content.add(name);
    }
    for (auto const* numbers : {&widths, &matrices, &thresholds, &features}) {
        content.add(fmt::format("{}", numbers->size()));
        content.add(std::as_bytes(std::span(*numbers)));
    }
    content.add(std::as_bytes(std::span(background)));
    content.add(std::as_bytes(std::span(&p_value, 1)));
    content.add(std::as_bytes(std::span(&scan_length, 1)));
    return content.hex();
}

void ScanModel::check(std::string_view source) const {
    auto const refuse = [&](std::string_view what) { fail_usage(fmt::format("{}: {}", source, what)); };
    std::size_t const count = widths.size();
    if (count == 0) refuse("holds no motif");
    if (motif_ids.size() != count || motif_names.size() != count || thresholds.size() != count ||
        features.size() != count) {
        refuse(
            fmt::format("{} motif ids, {} names, {} widths, {} thresholds and {} features: the same count "
                        "was expected",
                        motif_ids.size(), motif_names.size(), count, thresholds.size(), features.size()));
    }
    std::int64_t positions = 0;
    for (std::size_t m = 0; m < count; ++m) {
        if (widths[m] < 1 || widths[m] > kMaxWidth) {
            refuse(fmt::format("motif {}: a width of {}; 1 to {} can be scanned", motif_ids[m], widths[m],
                               kMaxWidth));
        }
        if (features[m] < 0 || static_cast<std::size_t>(features[m]) >= feature_names.size()) {
            refuse(
                fmt::format("motif {}: feature {} of {}", motif_ids[m], features[m], feature_names.size()));
        }
        positions += widths[m];
    }
    if (std::cmp_not_equal(matrices.size(), 4 * positions)) {
        refuse(fmt::format("{} matrix cells for {} positions", matrices.size(), positions));
    }
    // Keeps every sum of kMaxWidth cells inside 32 bits, with room.
    constexpr std::int32_t kMostScore = 1'000'000;
    if (!std::ranges::all_of(matrices, [](std::int32_t x) { return x >= -kMostScore && x <= kMostScore; })) {
        refuse("a matrix cell beyond +-1000 bits");
    }
    for (auto const* names : {&motif_ids, &feature_names}) {
        std::unordered_set<std::string_view> seen;
        for (auto const& name : *names) {
            if (!seen.insert(name).second) {
                refuse(
                    fmt::format("{} '{}' is there twice", names == &motif_ids ? "motif" : "feature", name));
            }
        }
    }
    if (!is_background(background)) refuse("its background is not four positive probabilities of sum 1");
    if (!(p_value > 0 && p_value < 1)) refuse(fmt::format("a p-value of {}", p_value));
    if (scan_length < 0) refuse(fmt::format("a scan_length of {} bp", scan_length));
}

}  // namespace mpira::genome
