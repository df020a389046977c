#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/atlas/atlas.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "atlas/scan_record.hpp"

namespace mpira::atlas {

/// What an atlas's file holds, mapped or read. Filled by read(), which refuses what is no atlas by its key.
struct Atlas::State {
    std::filesystem::path file;
    std::string assembly;
    std::vector<std::string> chrom_names;
    std::vector<std::int32_t> chrom;
    store::MappedArray<std::int64_t> start;
    store::MappedArray<std::int64_t> end;
    std::vector<std::uint8_t> promoter;
    std::vector<std::uint8_t> promoter_plus;
    std::vector<std::uint8_t> promoter_minus;
    std::vector<std::string> feature_names;
    store::MappedArray<float> features;
    std::vector<std::string> cell_types;
    store::MappedArray<float> accessibility;
    std::vector<std::string> expression_names;
    store::MappedArray<float> expression;
    std::vector<std::string> scale_sets;
    store::MappedArray<float> scale;
    FeatureOrigin origin;
    nlohmann::json provenance;
    std::string hash;

    /// Reads and checks all of it.
    void read();
    [[noreturn]] void refuse(std::string_view key, std::string const& what) const;
    [[nodiscard]] std::string label(std::uint64_t row) const;

private:
    void read_regions(store::AnnDataReader const& reader);
    void check_order() const;
    void read_columns(store::AnnDataReader const& reader, std::string const& path,
                      std::string const& names_key, std::uint64_t rows, std::vector<std::string>& names,
                      store::MappedArray<float>& matrix) const;
    void check_values(store::MappedArray<float> const& matrix, std::string_view key,
                      std::vector<std::string> const& columns, bool rows_are_regions) const;
    void check_scales() const;
    [[nodiscard]] std::string content() const;
};

}  // namespace mpira::atlas
