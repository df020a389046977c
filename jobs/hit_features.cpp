#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/atlas/scan_record.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/motif_hits.hpp"

#include "jobs/feature_source.hpp"

namespace mpira::jobs {
namespace {

class HitSums final : public FeatureSource {
public:
    HitSums(Settings const& settings, genome::ChromSizes const& chroms,
            std::span<genome::Region const> regions)
        : file_(settings.path("motifs.hits")),
          chroms_(chroms),
          hits_(file_, genome::read_hit_features(settings.path("motifs.clusters"))),
          content_(hits_.content_hash()) {
        tell_missing_chroms(regions);
        look_at_first(regions);
    }

    [[nodiscard]] std::vector<std::string> const& names() const override { return hits_.features().names; }
    [[nodiscard]] std::vector<std::string> made_of() const override {
        std::vector<std::string> joined;
        for (auto const& hits : hits_.features().hits_of_features())
            joined.push_back(fmt::format("{}", fmt::join(hits, ",")));
        return joined;
    }
    [[nodiscard]] nlohmann::json record() const override { return atlas::import_record("hits", content_); }
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> inputs() const override {
        return {{"hits", content_}};
    }
    [[nodiscard]] std::string describe() const override { return fmt::format("{} features", names().size()); }
    [[nodiscard]] std::string how() const override {
        return fmt::format("sums of the hits in {}", file_.string());
    }
    [[nodiscard]] double cost(genome::Region const& region) const override {
        return static_cast<double>(region.length());
    }

    [[nodiscard]] std::string counted() const override { return "unlisted_hits"; }
    void read(std::span<genome::Region const> regions, std::span<float> features,
              std::span<std::int32_t> unlisted, std::stop_token const& stop) override;
    [[nodiscard]] std::string summary(std::int64_t sum, std::int64_t regions) const override {
        return fmt::format("{} hits in {} regions are of no feature", sum, regions);
    }

private:
    void tell_missing_chroms(std::span<genome::Region const> regions) const {
        auto const& known = hits_.chroms();
        std::vector<std::string> missing;
        std::size_t without = 0;
        for (auto const& region : regions) {
            auto const& name = chroms_.name(region.chrom);
            if (std::ranges::find(known, name) != known.end()) continue;
            ++without;
            if (std::ranges::find(missing, name) == missing.end()) missing.push_back(name);
        }
        if (missing.empty()) return;
        require(without < regions.size(),
                fmt::format("{}: no hit is on a chromosome of the regions; it has '{}', they have '{}'",
                            file_.string(), known.empty() ? std::string() : known.front(), missing.front()));
        log::warning("{} has no hits on {} ({} regions): all features are 0 there", file_.string(),
                     fmt::join(missing, ", "), without);
    }

    /// A file of another form or with other names is found now, not when units fail.
    void look_at_first(std::span<genome::Region const> regions) {
        constexpr std::size_t kLookedAt = 512;
        auto const first = regions.first(std::min(regions.size(), kLookedAt));
        std::vector<float> features(first.size() * names().size());
        std::vector<std::int32_t> unlisted(first.size());
        read(first, features, unlisted, {});
        if (std::ranges::any_of(features, [](float sum) { return sum > 0; }) || hits_.stranger().empty())
            return;
        std::vector<std::string> known;
        for (auto const& [name, feature] : hits_.features().of_hit) known.push_back(name);
        log::warning(
            "{}: none of the hits in the first {} regions is of a feature: the first is '{}', "
            "motifs.clusters has '{}'{}",
            file_.string(), first.size(), hits_.stranger(), known.front(),
            text::did_you_mean(hits_.stranger(), known));
    }

    std::filesystem::path file_;
    genome::ChromSizes const& chroms_;
    genome::MotifHits hits_;
    std::string content_;  ///< a pass over the file: once
};

void HitSums::read(std::span<genome::Region const> regions, std::span<float> features,
                   std::span<std::int32_t> unlisted, std::stop_token const& stop) {
    // Regions of one chromosome at a time, few enough that a stop is soon heeded.
    constexpr std::size_t kAtOnce = 64;
    auto const width = names().size();
    std::vector<double> sums;
    for (std::size_t first = 0, last = 0; first < regions.size(); first = last) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a unit");
        last = first;
        while (last < regions.size() && last - first < kAtOnce && regions[last].chrom == regions[first].chrom)
            ++last;
        auto const count = last - first;
        sums.assign(count * width, 0.0);
        hits_.add(chroms_.name(regions[first].chrom), regions.subspan(first, count), sums,
                  unlisted.subspan(first, count));
        for (std::size_t i = 0; i < sums.size(); ++i)
            if (sums[i] > static_cast<double>(std::numeric_limits<float>::max()))
                fail_usage(fmt::format("{}: the scores of '{}' in {} add up to {}", file_.string(),
                                       names()[i % width], chroms_.label(regions[first + i / width]),
                                       sums[i]));
        std::ranges::transform(sums, features.begin() + static_cast<std::ptrdiff_t>(first * width),
                               [](double sum) { return static_cast<float>(sum); });
    }
}

}  // namespace

std::unique_ptr<FeatureSource> read_hits(Settings const& settings, genome::ChromSizes const& chroms,
                                         std::span<genome::Region const> regions) {
    if (settings.path("motifs.clusters").empty())
        settings.refuse("motifs.clusters",
                        "hits need it: a table of hit name and feature, in the order of the atlas's columns");
    for (auto const* const key :
         {"motifs.jaspar", "motifs.file", "motifs.collection", "motifs.tax_group", "scan.length_bp",
          "scan.p_value", "scan.pseudocount", "scan.background", "scan.short_motifs"})
        settings.refuse_given(key, "is of a scan, and motifs.hits says what was found already");
    return std::make_unique<HitSums>(settings, chroms, regions);
}

}  // namespace mpira::jobs
