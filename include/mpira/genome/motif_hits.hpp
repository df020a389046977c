#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/genome/regions.hpp"

/// Motif hits that another program found, such as the archetypes that published models were trained on
/// (spec/get.md 2.1).
namespace mpira::genome {

/// Which feature each hit counts for, by its name.
struct HitFeatures {
    std::vector<std::string> names;  ///< of features, in the order of their first appearance
    std::map<std::string, std::int32_t, std::less<>> of_hit;  ///< index into names, or -1: it is left out

    /// The hits' names of each feature, in alphabetical order.
    [[nodiscard]] std::vector<std::vector<std::string>> hits_of_features() const;
};

/// A table of hit name and feature, separated by a tab; a line with one name is a feature of that name. "-"
/// as the feature leaves the hits out, # lines are comments. Refused by file and line, Origin::usage: a name
/// that is given twice; by file: no feature.
HitFeatures read_hit_features(std::filesystem::path const& file);

/// A BED of hits: chromosome, start, end, name of the motif or cluster, score; further columns are not read.
/// Compressed by bgzip, with its tabix index beside it.
///
/// Owner, move-only. Errors, Origin::usage naming the file and quoting the line: a missing or foreign index
/// (with the command that makes one), fewer than five fields, positions that are no interval, a score that is
/// no number >= 0. Threads: one at a time.
class MotifHits {
public:
    MotifHits(std::filesystem::path const& file, HitFeatures features);
    MotifHits(MotifHits&&) noexcept;
    MotifHits& operator=(MotifHits&&) noexcept;
    ~MotifHits();

    [[nodiscard]] HitFeatures const& features() const noexcept;
    /// Chromosomes that have hits.
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept;
    /// Names the content: of the file, by the checksums of its blocks, and of the features.
    [[nodiscard]] std::string content_hash() const;

    /// Adds to sums (regions, features) the score of every hit that shares a base with the region, whole, in
    /// double precision and in the file's order; to `unlisted` (regions) the number of those whose name is in
    /// no feature. `regions`: of `chrom`, by start. Nothing where the file has no such chromosome.
    void add(std::string_view chrom, std::span<Region const> regions, std::span<double> sums,
             std::span<std::int32_t> unlisted);

    /// The first unlisted name that add() met, for messages.
    [[nodiscard]] std::string const& stranger() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::genome
