#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/base/settings.hpp"
#include "mpira/genome/fasta.hpp"
#include "mpira/genome/regions.hpp"

namespace mpira::jobs {

/// Where the motif features of regions come from. Threads: one at a time.
class FeatureSource {
public:
    FeatureSource() = default;
    FeatureSource(FeatureSource const&) = delete;
    FeatureSource& operator=(FeatureSource const&) = delete;
    virtual ~FeatureSource() = default;

    [[nodiscard]] virtual std::vector<std::string> const& names() const = 0;
    /// What each feature is made of: names of motifs or hits, by commas.
    [[nodiscard]] virtual std::vector<std::string> made_of() const = 0;
    /// uns/scan of the atlas.
    [[nodiscard]] virtual nlohmann::json record() const = 0;
    /// Names and content hashes of what is read, for uns/inputs.
    [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> inputs() const = 0;
    /// "286 features (286 motifs)", "scanned over 500 bp around their centre": for the log.
    [[nodiscard]] virtual std::string describe() const = 0;
    [[nodiscard]] virtual std::string how() const = 0;
    [[nodiscard]] virtual double cost(genome::Region const& region) const = 0;

    /// What is counted beside the features, a number a region: "unknown_bases". A column of obs.
    [[nodiscard]] virtual std::string counted() const = 0;
    /// Features (regions, names) and counts (regions) of regions that follow each other in the atlas. Throws
    /// Error(Origin::stopped) soon after a stop is requested.
    virtual void read(std::span<genome::Region const> regions, std::span<float> features,
                      std::span<std::int32_t> counts, std::stop_token const& stop) = 0;
    /// What is said of the sum of all counts, in so many regions, for the log.
    [[nodiscard]] virtual std::string summary(std::int64_t sum, std::int64_t regions) const = 0;
};

/// Motifs looked for in the genome. Usage errors name the key, or a region whose chromosome has no sequence.
/// `fasta` and `chroms` must outlive it.
std::unique_ptr<FeatureSource> scan_genome(Settings const& settings, genome::Fasta& fasta,
                                           genome::ChromSizes const& chroms,
                                           std::span<genome::Region const> regions);
/// Hits that another program found (motifs.hits). `chroms` must outlive it.
std::unique_ptr<FeatureSource> read_hits(Settings const& settings, genome::ChromSizes const& chroms,
                                         std::span<genome::Region const> regions);

}  // namespace mpira::jobs
