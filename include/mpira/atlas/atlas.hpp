#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "mpira/genome/scan_model.hpp"
#include "mpira/genome/windows.hpp"

namespace mpira::atlas {

/// The regions of a genome with their motif features and what is measured on them: an .h5ad that
/// `features` or `import` wrote.
///
///     X                   regions x features, f32, raw (sums of hit scores)
///     obs                 chrom (categorical), start, end; optional promoter, promoter_plus, promoter_minus;
///                         index: the region's name
///     var                 index: the feature's name
///     obsm/accessibility  regions x cell types, f32 (optional)
///     obsm/expression     regions x outputs, f32 (optional)
///     varm/scale          features x scale sets, f32: column maxima, the divisors of X
///     uns                 assembly; chrom_names, in the order of the rows; cell_types, expression and
///                         scale_sets, the names of the columns above; scan (scan_record.hpp); settings,
///                         inputs and whatever else says where it came from
///
/// The arrays are read-only maps of the file: the page cache is the one copy a node holds, whatever the
/// number of ranks, and nothing here is collective. A row is a position; rows are sorted by (chromosome,
/// start, end), chromosomes in the order of uns/chrom_names.
///
/// Threads: reading is free for all. Owner, move-only; views live as long as the Atlas.
class Atlas {
public:
    /// Throws Origin::usage naming file and key (and row) on: no such file, not an atlas, a missing part, a
    /// wrong shape or type, rows out of order, an unknown chromosome, an empty or negative region, a value
    /// that is negative or not finite, an atlas whose campaign isn't done.
    static Atlas open(std::filesystem::path const& file);
    Atlas(Atlas&&) noexcept;
    Atlas& operator=(Atlas&&) noexcept;
    ~Atlas();

    [[nodiscard]] std::filesystem::path const& file() const noexcept;
    [[nodiscard]] std::string const& assembly() const noexcept;
    [[nodiscard]] std::uint64_t region_count() const noexcept;
    [[nodiscard]] std::uint64_t feature_count() const noexcept;
    [[nodiscard]] std::vector<std::string> const& feature_names() const noexcept;

    [[nodiscard]] genome::RegionColumns regions() const noexcept;
    [[nodiscard]] std::string region_label(std::uint64_t row) const;  ///< "chr2R:100-600"
    /// The names of all regions. Not kept: read from the file by each call, one thread at a time.
    [[nodiscard]] std::vector<std::string> region_names() const;
    /// 1 where the region holds a promoter, one value a row; empty when the atlas wasn't told.
    [[nodiscard]] std::span<std::uint8_t const> promoter() const noexcept;
    /// The same of one strand, '+' or '-'; empty when the atlas wasn't told strands.
    [[nodiscard]] std::span<std::uint8_t const> promoter_on(char strand) const;

    /// Raw features, (regions, features) row-major, mapped.
    [[nodiscard]] std::span<float const> features() const noexcept;
    [[nodiscard]] std::span<float const> features(std::uint64_t row) const noexcept;  ///< (features)

    [[nodiscard]] std::vector<std::string> const& cell_types() const noexcept;
    [[nodiscard]] bool has_cell_type(std::string_view name) const noexcept;
    /// One value a row. An unknown cell type is a usage error with the nearest name.
    [[nodiscard]] std::vector<float> accessibility(std::string_view cell_type) const;

    [[nodiscard]] std::vector<std::string> const& expression_names() const noexcept;
    [[nodiscard]] std::vector<float> expression(std::string_view name) const;  ///< one value a row

    /// Names of the scale sets: "all_regions", and the cell types.
    [[nodiscard]] std::vector<std::string> const& scale_sets() const noexcept;
    /// Divisors of a scale set, one a feature, all > 0 (a feature that never occurs has 1).
    [[nodiscard]] std::vector<float> scale(std::string_view scale_set) const;

    /// Rows to work with: all of them, or those with accessibility > 0, and not below `least`, in a cell
    /// type. Ascending.
    [[nodiscard]] std::vector<std::uint32_t> all_rows() const;
    [[nodiscard]] std::vector<std::uint32_t> accessible_rows(std::string_view cell_type,
                                                             double least = 0) const;

    /// Features of `rows` as a model takes them: min(1, raw / scale), written to (rows, features) row-major.
    void scaled_features(std::span<float const> scale, std::span<std::uint32_t const> rows,
                         std::span<float> out) const;

    /// Where the features come from: "scan", or of an import "hits" (motifs.hits) or "gcell".
    [[nodiscard]] std::string const& feature_source() const noexcept;
    [[nodiscard]] bool is_scanned() const noexcept;
    /// How the regions were scanned, to scan elements in exactly the same way; no motif file is needed. A
    /// usage error where they were not.
    [[nodiscard]] genome::ScanModel const& scan_model() const;
    /// Equal where features mean the same: of the scan model, or of what was imported. What cards store.
    [[nodiscard]] std::string const& scan_hash() const noexcept;

    /// Names the content: regions, features, accessibility, scales, scan. What campaigns and model cards
    /// store.
    [[nodiscard]] std::string const& content_hash() const noexcept;
    /// uns without the scan model: settings, inputs, versions, as written by `features`.
    [[nodiscard]] nlohmann::json const& provenance() const noexcept;
    /// "atlas.h5ad: 4,203 regions x 286 features of dm3, cell types BEAF_Kc, ..." for the log.
    [[nodiscard]] std::string describe() const;

private:
    struct State;
    explicit Atlas(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// min(1, raw / scale), one row: what scaled_features does, for vectors that are in no atlas (elements).
void scale_features(std::span<float const> raw, std::span<float const> scale, std::span<float> out);

}  // namespace mpira::atlas
