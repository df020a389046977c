#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/regions.hpp"

namespace mpira::genome {

/// A bigWig file: one value a base, where there is one (libBigWig reads and writes them).
///
/// Owner, move-only. Errors: Origin::usage naming the file when it can't be opened, is no bigWig or is
/// damaged. Threads: one at a time.
class BigWig {
public:
    explicit BigWig(std::filesystem::path const& file);
    BigWig(BigWig&&) noexcept;
    BigWig& operator=(BigWig&&) noexcept;
    ~BigWig();

    [[nodiscard]] std::filesystem::path const& file() const noexcept;
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept;
    /// Bases of that chromosome; 0 where the file has none of the name.
    [[nodiscard]] std::int64_t length(std::string const& chrom) const;
    /// Of the whole file, from its header: bases with a value, and the sum of these values.
    [[nodiscard]] std::uint64_t covered_bases() const noexcept;
    [[nodiscard]] double total() const noexcept;
    /// Sum over bases [start, end); those without a value (or past the chromosome) count as 0.
    [[nodiscard]] double sum(std::string const& chrom, std::int64_t start, std::int64_t end);
    /// Names the content, by the file's size, its chromosomes and what its header sums up.
    [[nodiscard]] std::string content_hash() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A value of the bases [start, end), 0-based.
struct SignalInterval {
    std::int32_t chrom = 0;  ///< index into the chromosomes
    std::int64_t start = 0;
    std::int64_t end = 0;
    float value = 0;
};

/// Writes `file` anew, with zoom levels; what is there is overwritten. `intervals`: sorted by chromosome and
/// start, disjoint, within their chromosomes. Throws Origin::system where it can't be written whole.
void write_bigwig(std::filesystem::path const& file, ChromSizes const& chroms,
                  std::span<SignalInterval const> intervals);

}  // namespace mpira::genome
