#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/base/settings.hpp"
#include "mpira/genome/regions.hpp"
#include "mpira/store/zarr_reader.hpp"

namespace mpira::jobs {

/// A data set of GET, as gcell writes it (spec/get.md 2.2), read and checked: rows sorted, shapes that agree,
/// names that are texts and differ.
class GetStore {
public:
    static constexpr std::array<std::string_view, 2> kExpression{"expression_positive",
                                                                 "expression_negative"};

    /// By the settings zarr, genome.chrom_sizes and cell_types. Usage errors name array or key; what is
    /// missing and may be is told in the log.
    explicit GetStore(Settings const& settings);

    [[nodiscard]] std::string folder() const { return zarr_.folder().string(); }
    /// Chromosomes of the sizes, in the order of the rows.
    [[nodiscard]] genome::ChromSizes const& chroms() const { return chroms_; }
    [[nodiscard]] std::vector<genome::Region> const& regions() const { return regions_; }
    [[nodiscard]] std::vector<std::string> const& features() const { return features_; }
    /// Cell types with accessibility, and those with expression.
    [[nodiscard]] std::vector<std::string> const& cell_types() const { return cell_types_; }
    [[nodiscard]] std::vector<std::string> const& expressed() const { return expressed_; }
    /// Whether it says where transcription starts; then a flag a region, on + (0) and - (1).
    [[nodiscard]] bool has_promoters() const { return has_promoters_; }
    [[nodiscard]] std::vector<bool> const& promoters(std::size_t strand) const { return promoters_[strand]; }
    /// Genes at their regions, as uns/promoters of an atlas has them; null: it lists none.
    [[nodiscard]] nlohmann::json const& genes() const { return genes_; }

    [[nodiscard]] std::uint64_t chunk_rows() const { return zarr_.chunk_rows("data"); }
    /// Of all that is read.
    [[nodiscard]] std::string content_hash() const { return zarr_.content_hash(arrays_); }
    /// Rows of an array, row-major; refused where one is negative or no number.
    [[nodiscard]] std::vector<float> values(std::string const& array, std::uint64_t first,
                                            std::uint64_t count) const;

private:
    void read_regions();
    void read_features();
    void choose_cell_types(Settings const& settings);
    void take(std::string const& cell_type);
    void read_promoters();
    void require_rows(std::string const& array, std::size_t columns) const;
    [[nodiscard]] std::string peaks_file() const { return (zarr_.folder() / "peak_names").string(); }

    store::ZarrReader zarr_;
    std::vector<std::string> peaks_;  ///< until regions are made of them
    genome::ChromSizes chroms_;
    std::vector<genome::Region> regions_;
    std::vector<std::string> features_;
    std::vector<std::string> cell_types_;
    std::vector<std::string> expressed_;
    std::vector<std::string> arrays_;  ///< all that are read
    bool has_promoters_ = false;
    std::array<std::vector<bool>, 2> promoters_;
    nlohmann::json genes_;
};

}  // namespace mpira::jobs
