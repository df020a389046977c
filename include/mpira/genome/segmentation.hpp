#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mpira::genome {

/// A genome cut into states (ChromHMM): BED with a state in column 4. A value. Threads: reading is free for
/// all.
class Segmentation {
public:
    /// Plain or gzipped, in any order. Origin::usage naming file and line: no state, wrong places, segments
    /// that overlap.
    explicit Segmentation(std::filesystem::path const& file);

    /// The state with most bases in the interval, the first by name of equals; "" where no segment is.
    [[nodiscard]] std::string state_of(std::string_view chrom, std::int64_t start, std::int64_t end) const;
    [[nodiscard]] bool has(std::string_view chrom) const { return chroms_.find(chrom) != chroms_.end(); }
    [[nodiscard]] std::vector<std::string> const& states() const noexcept { return states_; }

private:
    struct Segment {
        std::int64_t start = 0;
        std::int64_t end = 0;
        std::uint32_t state = 0;
    };
    std::vector<std::string> states_;  ///< in alphabetical order
    std::map<std::string, std::vector<Segment>, std::less<>> chroms_;
};

}  // namespace mpira::genome
