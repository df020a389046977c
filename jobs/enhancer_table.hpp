#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mpira/store/anndata_reader.hpp"

namespace mpira::jobs {

/// The scores a pair is judged by. `_abs`: of the magnitude, for those who ask whether a region matters at
/// all; proximity: minus the distance in bp.
inline constexpr std::array<std::string_view, 8> kPairScores{"knock_out",
                                                             "knock_out_abs",
                                                             "gradient_x_input",
                                                             "gradient_x_input_abs",
                                                             "powerlaw",
                                                             "gradient_x_input_powerlaw",
                                                             "gradient_x_input_powerlaw_abs",
                                                             "proximity"};
inline constexpr std::size_t kProximity = kPairScores.size() - 1;
using PairScores = std::array<double, kPairScores.size()>;

/// A row of a result of `perturb`: a gene at one of its starts, in one cell type.
struct EnhancerRow {
    std::uint32_t cell_type = 0;
    std::int32_t chrom = 0;
    std::int64_t position = 0;  ///< start of transcription
    std::int64_t atlas_row = 0;
    float predicted = 0;
};

/// The enhancer-gene table that `perturb` left, mapped. Threads: reading is free for all.
class EnhancerTable {
public:
    /// Throws Origin::usage naming file and part: no result of perturb, not finished, rows without genes.
    explicit EnhancerTable(std::filesystem::path const& file);

    [[nodiscard]] std::vector<std::string> const& cell_types() const noexcept { return cell_types_; }
    [[nodiscard]] std::vector<EnhancerRow> const& rows() const noexcept { return rows_; }
    /// Rows of a gene on its own strand, by its name or id, in all cell types; ascending. Empty: unknown.
    [[nodiscard]] std::span<std::uint32_t const> rows_of(std::string const& gene) const;
    /// A chromosome's number, or -1.
    [[nodiscard]] std::int32_t chrom(std::string_view name) const;
    [[nodiscard]] std::span<std::string const> chrom_names() const noexcept { return chrom_names_; }
    /// Regions that share a base with [start, end), ascending.
    [[nodiscard]] std::vector<std::int32_t> overlapping(std::int32_t chrom, std::int64_t start,
                                                        std::int64_t end) const;
    /// The regions of a row, ascending, and their scores. Each kind of score is divided by the sum of its
    /// magnitudes over the `nearest` regions (jobs/attribution_summary.hpp), so that genes compare; 0: not.
    /// Proximity is left as it is.
    struct Scored {
        std::vector<std::int32_t> regions;
        std::vector<PairScores> scores;
    };
    [[nodiscard]] Scored scores(std::uint32_t row, std::uint64_t nearest) const;
    /// Names what the file holds.
    [[nodiscard]] std::string const& content_hash() const noexcept { return content_hash_; }

private:
    /// The values of one sparse matrix; all of a row share their columns.
    struct Values {
        store::MappedArray<float> data;
        [[nodiscard]] std::span<float const> row(std::uint64_t row, std::uint64_t slot) const {
            return data.values().subspan(row * slot, slot);
        }
    };
    std::vector<std::string> cell_types_;
    std::vector<std::string> chrom_names_;
    std::vector<EnhancerRow> rows_;
    std::unordered_map<std::string, std::vector<std::uint32_t>> genes_;
    store::MappedArray<std::int32_t> region_chrom_;
    store::MappedArray<std::int64_t> region_start_, region_end_;
    std::int64_t longest_bp_ = 0;  ///< region
    std::uint64_t slot_ = 0;
    store::MappedArray<std::int32_t> columns_, distance_bp_;
    Values knock_out_, gradient_, powerlaw_, product_;
    std::string content_hash_;
};

}  // namespace mpira::jobs
