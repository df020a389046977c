#pragma once

// A small campaign that the store's tests write: every type, rows that don't divide evenly into units.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "mpira/base/philox.hpp"
#include "mpira/store/job.hpp"
#include "mpira/store/result_file.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::store::sample {

inline constexpr std::uint64_t kVariables = 3;

inline ResultLayout layout(std::uint64_t rows = 23, std::uint64_t rows_per_unit = 4) {
    ResultLayout made;
    made.job = "sample";
    made.rows = rows;
    made.rows_per_unit = rows_per_unit;
    made.row_arrays = {{"X", Type::f32, {kVariables}},  {"layers/sd", Type::f64, {kVariables}},
                       {"obs/count", Type::i32, {}},    {"obs/mean", Type::f64, {}},
                       {"obs/flag", Type::boolean, {}}, {"obsm/raw", Type::f16, {2, 5}},
                       {"obsm/brain", Type::bf16, {3}}, {"obsm/codes", Type::u8, {7}},
                       {"obsm/places", Type::i64, {2}}};
    std::vector<std::byte> weights(kVariables * 2 * sizeof(float));
    float const values[] = {0.5F, 1.5F, 2.5F, 3.5F, 4.5F, 5.5F};
    std::memcpy(weights.data(), values, sizeof values);
    made.fixed_arrays = {{"varm/weights", Type::f32, {kVariables, 2}, weights},
                         {"varm/largest", Type::f32, {kVariables, 1}, {}},
                         {"var/total", Type::f64, {kVariables}, {}},
                         {"uns/sums", Type::f64, {2}, {}}};
    // Indices are random bytes below 0x40 each.
    add_sparse(made, "obsm/windows", Type::f32, 3, 0x40000000);
    made.identity = {{"settings", {{"sites.insertions", 600}, {"scale", "library"}, {"rate", 0.1}}},
                     {"inputs", {{"genome", "0123abcd"}}}};
    return made;
}

inline ResultTables tables(ResultLayout const& layout) {
    ResultTables made;
    StringColumn group{"group", {}, true};
    StringColumn note{"note", {}, false};
    IntegerColumn start{"start", {}};
    for (std::uint64_t i = 0; i < layout.rows; ++i) {
        made.obs.index.push_back("element_" + std::to_string(i));
        group.values.push_back(i % 3 == 0 ? "promoter" : "distal");
        note.values.push_back(i == 1 ? "\xC3\xA9t\xC3\xA9" : "n" + std::to_string(i));
        start.values.push_back(static_cast<std::int64_t>(1000 * i));
    }
    made.obs.index_name = "element";
    made.obs.strings = {group, note};
    made.obs.integers = {start};
    made.var.index = {"expression_plus", "expression_minus", "accessibility"};
    made.uns = {{"settings", {{"insertions", 600}, {"rate", 0.25}, {"shared", false}, {"name", "x"}}},
                {"motifs", {"a", "b", "c"}},
                {"folds", {1, 2, 3}},
                {"scales", {0.5, 1, 2.25}},
                {"flags", {true, false}},
                {"nothing", nlohmann::json::array()}};
    return made;
}

/// The unit's rows: bytes that depend on the unit alone. Floats stay finite (no NaN compares unequal).
inline UnitRows rows(ResultLayout const& layout, std::uint64_t unit) {
    UnitRows made(layout, unit);
    Draws draws(42, Stream::tests, static_cast<std::uint32_t>(unit));
    for (std::size_t i = 0; i < layout.row_arrays.size(); ++i) {
        auto const bytes = made.raw(i);
        auto const& array = layout.row_arrays[i];
        for (auto& byte : bytes) {
            auto const drawn = static_cast<std::uint8_t>(draws.next());
            byte = static_cast<std::byte>(array.type == Type::boolean ? drawn & 1U : drawn & 0x3FU);
        }
    }
    return made;
}

inline UnitReport report(std::uint16_t attempt = 1) {
    return {attempt, 0.25, machine_text("node1", "Test CPU")};
}

inline void commit_units(ResultFile& file, ResultLayout const& layout,
                         std::vector<std::uint64_t> const& units) {
    std::vector<UnitRows> kept;
    for (std::uint64_t const unit : units) kept.push_back(rows(layout, unit));
    std::vector<FinishedUnit> finished;
    for (auto const& unit : kept) finished.push_back({&unit, report()});
    file.commit(finished);
}

inline std::vector<std::uint64_t> all_units(ResultLayout const& layout) {
    std::vector<std::uint64_t> units(layout.units());
    for (std::uint64_t i = 0; i < units.size(); ++i) units[i] = i;
    return units;
}

/// What the job's finish() would write.
inline void fill(FinishedRows& rows, ResultLayout const& layout) {
    auto const means = rows.rows("obs/mean");
    double sum = 0;
    for (std::uint64_t i = 0; i < layout.rows; ++i) {
        double value = 0;
        std::memcpy(&value, means.data() + i * sizeof value, sizeof value);
        sum += value;
    }
    double const sums[] = {sum, static_cast<double>(layout.rows)};
    std::memcpy(rows.fixed("uns/sums").data(), sums, sizeof sums);
    float const largest[] = {1, 2, 3};
    std::memcpy(rows.fixed("varm/largest").data(), largest, sizeof largest);
    double const totals[] = {4, 5, 6};
    std::memcpy(rows.fixed("var/total").data(), totals, sizeof totals);
}

using Folder = test::ScratchFolder;

inline std::string bytes_of(std::filesystem::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Flips one bit of a file.
inline void damage(std::filesystem::path const& file, std::uint64_t offset) {
    std::fstream io(file, std::ios::binary | std::ios::in | std::ios::out);
    io.seekg(static_cast<std::streamoff>(offset));
    char const byte = static_cast<char>(io.get() ^ 0x10);
    io.seekp(static_cast<std::streamoff>(offset));
    io.put(byte);
}

}  // namespace mpira::store::sample
