#include <filesystem>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/jobs/table.hpp"

namespace mpira::jobs {
namespace {

std::unique_ptr<store::Job> make(std::vector<std::pair<std::string, std::string>> const& values) {
    auto const& entry = find_job("synthetic");
    Settings settings(entry.schema(), "test");
    settings.set("duration.mean_ms", 0.0, "test");
    for (auto const& [key, value] : values) settings.set_from_text(key, value, "test");
    settings.require_complete();
    return entry.make(settings, {});
}

std::vector<std::byte> bytes_of(store::Job& job, std::uint64_t unit) {
    store::UnitRows rows(job.layout(), unit);
    job.run(unit, rows, {});
    auto const span = rows.raw(0);
    return {span.begin(), span.end()};
}

TEST(Synthetic, BytesDependOnSeedAndRowAlone) {
    auto const job = make({{"rows", "50"}, {"rows_per_unit", "10"}});
    auto const other_cut = make({{"rows", "50"}, {"rows_per_unit", "25"}});
    auto const other_seed = make({{"rows", "50"}, {"rows_per_unit", "10"}, {"seed", "2"}});
    std::vector<std::byte> in_tens;
    for (std::uint64_t unit : {0, 1, 2, 3, 4}) {
        auto const bytes = bytes_of(*job, unit);
        EXPECT_EQ(bytes, bytes_of(*job, unit));
        EXPECT_NE(bytes, bytes_of(*other_seed, unit));
        in_tens.insert(in_tens.end(), bytes.begin(), bytes.end());
    }
    auto in_halves = bytes_of(*other_cut, 0);
    auto const second = bytes_of(*other_cut, 1);
    in_halves.insert(in_halves.end(), second.begin(), second.end());
    EXPECT_EQ(in_tens, in_halves);
}

TEST(Synthetic, FailuresAsAsked) {
    auto const marks = std::filesystem::path(testing::TempDir()) / fmt::format("marks{}", ::getpid());
    std::filesystem::create_directory(marks);
    auto const job =
        make({{"rows", "100"}, {"fail.always", "1"}, {"fail.once", "2,3"}, {"fail.marks", marks}});
    EXPECT_NO_THROW(bytes_of(*job, 0));
    EXPECT_THROW(bytes_of(*job, 1), Error);
    EXPECT_THROW(bytes_of(*job, 1), Error);
    EXPECT_THROW(bytes_of(*job, 2), Error);
    EXPECT_NO_THROW(bytes_of(*job, 2));
    EXPECT_THROW(make({{"fail.always", "x"}}), Error);
    EXPECT_THROW(make({{"fail.once", "1"}}), Error);
    std::filesystem::remove_all(marks);
}

TEST(Synthetic, LeavesAUnitWhenAskedToStop) {
    auto const job = make({{"duration.mean_ms", "60000"}, {"duration.sigma", "0"}});
    std::stop_source source;
    std::jthread const stopper([&] { source.request_stop(); });
    store::UnitRows rows(job->layout(), 0);
    try {
        job->run(0, rows, source.get_token());
        FAIL() << "ran to the end";
    } catch (Error const& error) {
        EXPECT_EQ(error.origin(), Origin::stopped);
    }
}

TEST(JobTable, EveryEntryIsComplete) {
    for (auto const& entry : job_table()) {
        EXPECT_FALSE(entry.summary.empty() || entry.example.empty()) << entry.name;
        for (auto const& spec : entry.schema()) {
            EXPECT_FALSE(spec.summary.empty()) << entry.name << ' ' << spec.key;
            EXPECT_EQ(&find_job(entry.name), &entry);
        }
    }
    EXPECT_THROW(find_job("nothing"), Error);
}

}  // namespace
}  // namespace mpira::jobs
