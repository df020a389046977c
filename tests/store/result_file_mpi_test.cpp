// Ranks that write disjoint units of one file at the same time, in both write modes.
#include <array>
#include <filesystem>
#include <optional>

#include <mpi.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/result_file.hpp"

#include "store/sample.hpp"

namespace mpira::store {
namespace {

using comm::Communicator;

class ResultFileAtRanks : public testing::TestWithParam<WriteMode> {
protected:
    Communicator world = Communicator::world();
    ResultLayout layout = sample::layout(401, 3);

    /// A folder of rank 0's, known to all.
    std::filesystem::path shared_folder() {
        std::array<char, 4096> name{};
        if (world.is_root()) {
            folder_.emplace();
            folder_->path().string().copy(name.data(), name.size() - 1);
        }
        comm::check(MPI_Bcast(name.data(), static_cast<int>(name.size()), MPI_CHAR, 0, world.raw()),
                    "MPI_Bcast");
        return name.data();
    }
    /// This rank's units among those of parity `parity`, in batches.
    void write_share(ResultFile& file, std::uint64_t parity) const {
        std::vector<std::uint64_t> batch;
        auto const ranks = static_cast<std::uint64_t>(world.size());
        auto const rank = static_cast<std::uint64_t>(world.rank());
        for (std::uint64_t unit = parity; unit < layout.units(); unit += 2) {
            if ((unit / 2) % ranks != rank) continue;
            file.mark_running(unit, sample::report());
            batch.push_back(unit);
            if (batch.size() == 5) {
                sample::commit_units(file, layout, batch);
                batch.clear();
            }
        }
        sample::commit_units(file, layout, batch);
    }

private:
    std::optional<sample::Folder> folder_;
};

TEST_P(ResultFileAtRanks, WritesAndResumesToTheBytesOfOneProcess) {
    auto const folder = shared_folder();
    auto const file = folder / "out.h5ad";
    auto const reference = folder / "reference.h5ad";
    if (world.is_root()) {
        ResultFile::create(file, layout, sample::tables(layout));
        ResultFile::create(reference, layout, sample::tables(layout));
        auto alone = ResultFile::open(reference, layout);
        sample::commit_units(alone, layout, sample::all_units(layout));
    }
    world.barrier();
    {
        auto opened = ResultFile::open(file, layout, {GetParam(), nullptr});
        write_share(opened, 0);
    }
    world.barrier();
    {
        auto resumed = ResultFile::open(file, layout, {GetParam(), nullptr});
        for (std::uint64_t unit = 0; unit < layout.units(); ++unit)
            EXPECT_EQ(resumed.states()[unit], unit % 2 == 0 ? UnitState::done : UnitState::open) << unit;
        EXPECT_TRUE(resumed
                        .check_rows(CheckRows::all, static_cast<std::uint64_t>(world.rank()),
                                    static_cast<std::uint64_t>(world.size()))
                        .empty());
        world.barrier();  // all have looked
        write_share(resumed, 1);
    }
    world.barrier();
    if (world.is_root()) {
        // Also that HDF5, which in mode mpiio rewrites its superblock at flush and close, wrote the bytes
        // that were there: with such a write lost or torn in a power cut the file is the same.
        EXPECT_EQ(verify(file).tables, true);
        EXPECT_TRUE(verify(file).good());
        EXPECT_EQ(verify(file).checked, layout.units());
        auto bytes = sample::bytes_of(file);
        auto expected = sample::bytes_of(reference);
        auto const journal = *AnnDataReader(file).info("uns/mpira/journal").offset;
        ASSERT_EQ(bytes.size(), expected.size());
        bytes.erase(journal, layout.units() * kJournalRowBytes);
        expected.erase(journal, layout.units() * kJournalRowBytes);
        EXPECT_TRUE(bytes == expected);
        // Nothing of MPI-IO's is left beside it.
        std::size_t entries = 0;
        for (auto const& entry : std::filesystem::directory_iterator(folder)) {
            SCOPED_TRACE(entry.path().string());
            ++entries;
        }
        EXPECT_EQ(entries, 2U);
    }
    world.barrier();
}

INSTANTIATE_TEST_SUITE_P(Modes, ResultFileAtRanks, testing::Values(WriteMode::direct, WriteMode::mpiio),
                         [](auto const& chosen) {
                             return chosen.param == WriteMode::direct ? std::string("direct")
                                                                      : std::string("mpiio");
                         });

}  // namespace
}  // namespace mpira::store
