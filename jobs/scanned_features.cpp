#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "mpira/atlas/scan_record.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/scanner.hpp"

#include "jobs/feature_source.hpp"
#include "jobs/features_inputs.hpp"

namespace mpira::jobs {
namespace {

// A piece of a chromosome that is fetched and scanned at once: windows that overlap always share one.
constexpr std::int64_t kPieceGap_bp = 1000;
constexpr std::size_t kPieceWindows = 64;

class ScannedFeatures final : public FeatureSource {
public:
    ScannedFeatures(Settings const& settings, genome::Fasta& fasta, genome::ChromSizes const& chroms,
                    std::span<genome::Region const> regions)
        : fasta_(fasta), chroms_(chroms), scanner_(make_scan_model(settings, fasta)) {
        for (auto const& region : regions) {
            if (fasta.find(chroms.name(region.chrom))) continue;
            settings.refuse("genome.fasta",
                            fmt::format("{} has no sequence '{}'{}; region {} lies there",
                                        fasta.file().string(), chroms.name(region.chrom),
                                        text::chromosome_hint(chroms.name(region.chrom), fasta.names()),
                                        chroms.label(region)));
        }
    }

    [[nodiscard]] std::vector<std::string> const& names() const override { return model().feature_names; }
    [[nodiscard]] std::vector<std::string> made_of() const override;
    [[nodiscard]] nlohmann::json record() const override { return atlas::scan_record(model()); }
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> inputs() const override {
        return {{"genome", hash_file(fasta_.file())}, {"scan_model", model().hash()}};
    }
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} features ({} motifs)", names().size(), model().motif_count());
    }
    [[nodiscard]] std::string how() const override {
        auto const length = model().scan_length;
        return fmt::format("scanned over {}", length == 0 ? std::string("their own length")
                                                          : fmt::format("{} bp around their centre", length));
    }
    [[nodiscard]] double cost(genome::Region const& region) const override {
        return static_cast<double>(window(region).length());
    }

    [[nodiscard]] std::string counted() const override { return "unknown_bases"; }
    void read(std::span<genome::Region const> regions, std::span<float> features,
              std::span<std::int32_t> unknown, std::stop_token const& stop) override;
    [[nodiscard]] std::string summary(std::int64_t sum, std::int64_t windows) const override {
        return fmt::format("{} unknown bases (N or ambiguous) in {} scan windows", sum, windows);
    }

private:
    [[nodiscard]] genome::ScanModel const& model() const { return scanner_.model(); }
    /// Bases that are scanned for a region: a fixed window, so that a region's length can't leak into its
    /// features (spec/default-data.md 1), cut off at the chromosome's ends.
    [[nodiscard]] genome::Region window(genome::Region const& region) const {
        auto const length = model().scan_length;
        if (length == 0) return region;
        std::int64_t const start = region.centre() - length / 2;
        return {region.chrom, std::max<std::int64_t>(0, start),
                std::min(chroms_.length(region.chrom), start + length)};
    }

    genome::Fasta& fasta_;
    genome::ChromSizes const& chroms_;
    genome::Scanner scanner_;
};

/// Motifs' names ("su(Hw)"), several in a cluster.
std::vector<std::string> ScannedFeatures::made_of() const {
    std::vector<std::string> motifs(model().feature_count());
    for (std::size_t motif = 0; motif < model().motif_count(); ++motif) {
        auto& of_feature = motifs[static_cast<std::size_t>(model().features[motif])];
        of_feature += (of_feature.empty() ? "" : ",") + model().motif_names[motif];
    }
    return motifs;
}

void ScannedFeatures::read(std::span<genome::Region const> regions, std::span<float> features,
                           std::span<std::int32_t> unknown, std::stop_token const& stop) {
    auto const count = regions.size();
    auto const width = names().size();
    // Windows in their own order, which nested regions of different lengths may change.
    std::vector<genome::Region> windows(count);
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::transform(regions, windows.begin(),
                           [&](genome::Region const& region) { return window(region); });
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return windows[i]; });

    std::vector<genome::Region> piece_windows;
    std::vector<float> piece_features;
    for (std::size_t at = 0; at < count;) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a unit");
        auto const head = windows[order[at]];
        std::int64_t end = head.end;
        piece_windows.assign(1, head);
        for (std::size_t i = at + 1; i < count && windows[order[i]].chrom == head.chrom; ++i) {
            auto const& next = windows[order[i]];
            bool const near = next.start - end <= kPieceGap_bp && piece_windows.size() < kPieceWindows;
            if (next.start >= end && !near) break;
            piece_windows.push_back(next);
            end = std::max(end, next.end);
        }
        auto const piece = fasta_.fetch(chroms_.name(head.chrom), head.start, end);
        piece_features.resize(piece_windows.size() * width);
        scanner_.features_of_windows(piece, head.start, piece_windows, piece_features);
        for (std::size_t i = 0; i < piece_windows.size(); ++i, ++at) {
            auto const row = order[at];
            std::copy_n(piece_features.begin() + static_cast<std::ptrdiff_t>(i * width), width,
                        features.begin() + static_cast<std::ptrdiff_t>(row * width));
            auto const bases =
                std::string_view(piece).substr(static_cast<std::size_t>(piece_windows[i].start - head.start),
                                               static_cast<std::size_t>(piece_windows[i].length()));
            unknown[row] = static_cast<std::int32_t>(std::ranges::count(bases, 'N'));
        }
    }
}

}  // namespace

std::unique_ptr<FeatureSource> scan_genome(Settings const& settings, genome::Fasta& fasta,
                                           genome::ChromSizes const& chroms,
                                           std::span<genome::Region const> regions) {
    return std::make_unique<ScannedFeatures>(settings, fasta, chroms, regions);
}

}  // namespace mpira::jobs
