#pragma once

// A small atlas as the features job would leave it, each part of which a test may spoil.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/atlas/scan_record.hpp"
#include "mpira/store/result_file.hpp"

namespace mpira::atlas {

inline genome::ScanModel small_model() {
    genome::ScanModel model;
    model.motif_ids = {"M1", "M2", "M3"};
    model.motif_names = {"one", "two", "three"};
    model.widths = {1, 2, 1};
    model.matrices = {1000, -1000, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8, -9, 10, 11, 12};
    model.thresholds = {900, genome::ScanModel::kNever, 11};
    model.features = {0, 1, 0};
    model.feature_names = {"f", "g"};
    model.background = {0.3, 0.2, 0.2, 0.3};
    model.p_value = 1e-3;
    model.scan_length = 400;
    return model;
}

struct Draft {
    store::ResultLayout layout;
    store::ResultTables tables;
    std::vector<float> features{0, 1, 2, 3, 4, 5, 6, 7};
    std::vector<float> accessibility{1, 0, 0, 0, 1, 2, 0.5, 0};
    std::vector<float> scale{6, 7, 4, 1, 2, 0.5};
    std::vector<std::uint8_t> promoter{0, 1, 0, 1};
    std::vector<std::uint8_t> promoter_plus{0, 0, 0, 0};  ///< in the file where the layout has it, like all
    std::vector<std::uint8_t> promoter_minus{0, 0, 0, 0};
    bool finished = true;

    Draft() {
        layout.job = "features";
        layout.rows = 4;
        layout.rows_per_unit = 2;
        layout.row_arrays = {{"X", store::Type::f32, {2}},
                             {"obsm/accessibility", store::Type::f32, {2}},
                             {"obs/promoter", store::Type::boolean, {}}};
        layout.fixed_arrays = {{"varm/scale", store::Type::f32, {2, 3}, {}}};
        layout.identity = {{"seed", 1}};
        tables.obs.index = {"r0", "r1", "r2", "r3"};
        tables.obs.strings = {{"chrom", {"chrB", "chrB", "chrA", "chrA"}, true}};
        tables.obs.integers = {{"start", {100, 300, 0, 50}}, {"end", {200, 400, 90, 60}}};
        tables.var.index = {"f", "g"};
        tables.uns["assembly"] = "toy1";
        tables.uns["chrom_names"] = std::vector<std::string>{"chrB", "chrA", "chrC"};
        tables.uns["cell_types"] = std::vector<std::string>{"Kc", "Mbn2"};
        tables.uns["scale_sets"] = std::vector<std::string>{"all_regions", "Kc", "Mbn2"};
        tables.uns["scan"] = scan_record(small_model());
    }

    void write(std::filesystem::path const& file) const {
        store::ResultFile::create(file, layout, tables, {.reserve = false, .overwrite = false});
        auto result = store::ResultFile::open(file, layout);
        for (std::uint64_t unit = 0; unit < (finished ? 2U : 1U); ++unit) {
            store::UnitRows rows(layout, unit);
            auto const put = [&](std::string const& path, auto const& values) {
                using Value = typename std::decay_t<decltype(values)>::value_type;
                if (std::ranges::find(layout.row_arrays, path, &store::RowArray::path) ==
                    layout.row_arrays.end())
                    return;
                auto const into = rows.array<Value>(path);
                std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(unit * into.size()), into.size(),
                            into.begin());
            };
            put("X", features);
            put("obsm/accessibility", accessibility);
            put("obs/promoter", promoter);
            put("obs/promoter_plus", promoter_plus);
            put("obs/promoter_minus", promoter_minus);
            std::vector<store::FinishedUnit> const units{{&rows, {}}};
            result.commit(units);
        }
        if (finished) {
            result.finish([&](store::FinishedRows& rows) {
                if (layout.fixed_arrays.empty()) return;
                auto const bytes = std::as_bytes(std::span(scale));
                std::ranges::copy(bytes.first(rows.fixed("varm/scale").size()),
                                  rows.fixed("varm/scale").begin());
            });
        }
    }
};

}  // namespace mpira::atlas
