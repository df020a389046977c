#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/schedule/campaign.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "support/shared_folder.hpp"

/// A small job whose bytes come from Philox, and what tests of whole campaigns do with it.
namespace mpira::schedule::tests {

namespace fs = std::filesystem;

inline constexpr std::uint64_t kRows = 203;  // the last unit is a short one
inline constexpr std::uint64_t kColumns = 5;

class RandomRows final : public store::Job {
public:
    explicit RandomRows(std::uint64_t seed = 7) : seed_(seed) {
        layout_.job = "random-rows";
        layout_.rows = kRows;
        layout_.rows_per_unit = 4;
        layout_.row_arrays = {{"X", store::Type::f32, {kColumns}}, {"obs/draws", store::Type::i64, {}}};
        layout_.fixed_arrays = {{"varm/sum", store::Type::f64, {kColumns, 1}, {}}};
        layout_.identity = {{"seed", seed}};
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override {
        store::ResultTables tables;
        for (std::uint64_t row = 0; row < kRows; ++row) tables.obs.index.push_back(fmt::format("r{}", row));
        for (std::uint64_t i = 0; i < kColumns; ++i) tables.var.index.push_back(fmt::format("c{}", i));
        return tables;
    }
    /// Heavy-tailed, as real units are.
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        Draws draws(seed_, Stream::tests, static_cast<std::uint32_t>(unit));
        return std::exp(3 * draws.uniform());
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override {
        ++runs;
        if (before) before(unit);
        auto const end = std::chrono::steady_clock::now() +
                         std::chrono::duration<double>(relative_cost(unit) * seconds_per_cost);
        while (std::chrono::steady_clock::now() < end) {
            if (stop.stop_requested()) throw Error(Origin::stopped, "dropped");
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        auto const values = rows.array<float>("X");
        auto const draws_of = rows.array<std::int64_t>("obs/draws");
        for (std::uint64_t i = 0; i < rows.row_count(); ++i) {
            Draws draws(seed_, Stream::data, static_cast<std::uint32_t>(rows.first_row() + i));
            for (std::uint64_t c = 0; c < kColumns; ++c)
                values[i * kColumns + c] = static_cast<float>(draws.uniform());
            draws_of[i] = static_cast<std::int64_t>(draws.next() >> 1U);
        }
    }
    void finish(store::FinishedRows& rows) override {
        auto const bytes = rows.rows("X");
        auto const* values = reinterpret_cast<float const*>(bytes.data());
        auto* sums = reinterpret_cast<double*>(rows.fixed("varm/sum").data());
        std::fill(sums, sums + kColumns, 0.0);
        for (std::uint64_t i = 0; i < kRows * kColumns; ++i)
            sums[i % kColumns] += static_cast<double>(values[i]);
    }
    [[nodiscard]] std::string describe() const override { return "random rows"; }

    std::function<void(std::uint64_t)> before;
    double seconds_per_cost = 1e-4;
    int runs = 0;

private:
    std::uint64_t seed_;
    store::ResultLayout layout_;
};

using Folder = mpira::test::SharedFolder;

inline CampaignOptions quiet() {
    CampaignOptions options;
    options.on_progress = [](ProgressReport const&) {};
    options.check = ResumeCheck::all;
    return options;
}

inline std::vector<char> bytes_of(fs::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The file without what names times and hosts: journal and owner record.
inline std::vector<char> lasting_bytes(fs::path const& file) {
    auto bytes = bytes_of(file);
    store::AnnDataReader const reader(file);
    for (auto const* path : {"uns/mpira/journal", "uns/mpira/owner"}) {
        auto const info = reader.info(path);
        EXPECT_TRUE(info.offset.has_value()) << path;
        auto const begin = bytes.begin() + static_cast<std::ptrdiff_t>(*info.offset);
        std::fill(begin, begin + static_cast<std::ptrdiff_t>(info.size()), '\0');
    }
    return bytes;
}

/// Runs on the first `ranks` ranks only. [collective] over all of the world
inline CampaignOutcome run_on(comm::Communicator const& world, int ranks, RandomRows& job,
                              fs::path const& file, CampaignOptions const& options = quiet()) {
    CampaignOutcome outcome;
    {
        auto const part = world.split(world.rank() < ranks ? 0 : 1, world.rank());
        if (world.rank() < ranks) outcome = run_campaign(part, job, file, options);
    }
    world.barrier();
    return outcome;
}

/// What this run of the job is refused with, as wrong input. [collective]
inline std::string refusal_of(comm::Communicator const& world, RandomRows& job, fs::path const& file,
                              CampaignOptions const& options = quiet()) {
    std::string text;
    try {
        run_campaign(world, job, file, options);
        ADD_FAILURE() << "not refused";
    } catch (comm::CollectiveError const& error) {
        EXPECT_EQ(error.exit_code(), 2);
        text = error.what();
    }
    world.barrier();
    return text;
}

/// Changes the byte `offset` bytes into an array of the file.
inline void damage(fs::path const& file, std::string const& array, std::uint64_t offset = 0) {
    auto const begin = store::AnnDataReader(file).info(array).offset;
    ASSERT_TRUE(begin.has_value());
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(static_cast<std::streamoff>(*begin + offset));
    bytes.put('\x55');
}

}  // namespace mpira::schedule::tests
