// Creating and sealing on a disk that loses power at any moment: under the final name is nothing, or a whole
// good file; what was there before is not harmed. MPIRA_CRASH_SEEDS=2000 for a nightly run.
#include "store/power_cut.hpp"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/inspect.hpp"
#include "mpira/store/owner.hpp"

namespace mpira::store {
namespace {

namespace fs = std::filesystem;

class PowerCutTest : public testing::Test {
protected:
    /// A finished campaign's file.
    void make_finished(fs::path const& file) const {
        FaultyIo io;  // no real syncs
        ResultFile::create(file, layout, sample::tables(layout), {.io = &io});
        auto opened = ResultFile::open(file, layout, {WriteMode::direct, &io});
        sample::commit_units(opened, layout, sample::all_units(layout));
        opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });
    }
    /// The file's bytes but for the owner record.
    static std::string lasting_bytes(fs::path const& file) {
        auto bytes = sample::bytes_of(file);
        if (auto const owner = AnnDataReader(file).info("uns/mpira/owner").offset)
            bytes.replace(*owner, kOwnerBytes, kOwnerBytes, '\0');
        return bytes;
    }
    /// As if the process that is named as the owner had gone with its machine.
    static void forget_owner(fs::path const& file) {
        std::array<std::byte, kOwnerBytes> const free{};
        write_all(system_io(), open_existing(file, true).get(), free,
                  *AnnDataReader(file).info("uns/mpira/owner").offset, file);
    }
    static void expect_no_draft(sample::Folder const& folder) {
        for (auto const& entry : fs::directory_iterator(folder.path()))
            EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
    }
    ResultLayout layout = sample::layout();
};

TEST_F(PowerCutTest, ACreationIsWholeOrNotThere) {
    sample::Folder const elsewhere;
    FaultyIo plain;
    ResultFile::create(elsewhere / "new.h5ad", layout, sample::tables(layout), {.io = &plain});
    auto const whole = sample::bytes_of(elsewhere / "new.h5ad");
    make_finished(elsewhere / "finished.h5ad");
    std::uint32_t there = 0;
    std::uint32_t absent = 0;
    std::uint32_t left_drafts = 0;
    auto const seeds = crash_seeds(300);
    for (std::uint32_t seed = 0; seed < seeds; ++seed) {
        SCOPED_TRACE(seed);
        sample::Folder const folder;
        auto const file = folder / "out.h5ad";
        Draws draws(seed, Stream::tests, 1);
        bool const replaces = draws.below(2) == 1;
        std::string before;
        if (replaces) {
            fs::copy_file(elsewhere / "finished.h5ad", file);
            before = lasting_bytes(file);
        }
        constexpr std::uint64_t kCallsAtMost = 10;
        PowerCutIo io(folder.path(), seed, draws.below(kCallsAtMost));
        bool returned = false;
        try {
            ResultFile::create(file, layout, sample::tables(layout),
                               {.overwrite = replaces, .owner_wait_s = 0, .io = &io});
            returned = true;
        } catch (PowerCutIo::PowerCut const&) {
        }
        ASSERT_LE(io.calls(), kCallsAtMost);
        for (auto const& entry : fs::directory_iterator(folder.path()))
            left_drafts += entry.path().extension() == ".draft" ? 1 : 0;

        auto const old = fs::path(file.string() + ".old");
        bool const is_new = fs::exists(file) && sample::bytes_of(file) == whole;
        if (fs::exists(file)) {
            ASSERT_TRUE(is_new || (replaces && lasting_bytes(file) == before)) << "neither old nor whole";
            ASSERT_TRUE(verify(file).good());
        }
        ASSERT_TRUE(is_new || !returned) << "create() returned, and the file is gone";
        if (replaces) {
            ASSERT_TRUE(is_new ? fs::exists(old) : fs::exists(old) || fs::exists(file));
            auto const& kept = fs::exists(old) ? old : file;
            ASSERT_TRUE(lasting_bytes(kept) == before) << "the old result was harmed";
        }
        (is_new ? there : absent) += 1;

        // The next start works, and tidies up.
        if (fs::exists(file)) forget_owner(file);
        ResultFile::create(file, layout, sample::tables(layout),
                           {.overwrite = true, .owner_wait_s = 0, .io = &plain});
        ASSERT_TRUE(sample::bytes_of(file) == whole);
        expect_no_draft(folder);
    }
    // The cuts did come at moments that matter.
    EXPECT_GT(there, seeds / 20);
    EXPECT_GT(absent, seeds / 20);
    EXPECT_GT(left_drafts, seeds / 20);
}

TEST_F(PowerCutTest, ASealingIsWholeOrNotThereAndHarmsNoSource) {
    sample::Folder const folder;
    auto const source = folder / "out.h5ad";
    auto const copy = folder / "sealed.h5ad";
    make_finished(source);
    auto const bytes = sample::bytes_of(source);
    std::uint32_t there = 0;
    std::uint32_t absent = 0;
    auto const seeds = crash_seeds(150);
    for (std::uint32_t seed = 0; seed < seeds; ++seed) {
        SCOPED_TRACE(seed);
        Draws draws(seed, Stream::tests, 2);
        constexpr std::uint64_t kCallsAtMost = 6;
        PowerCutIo io(folder.path(), seed, draws.below(kCallsAtMost));
        bool returned = false;
        try {
            seal(source, copy, {.io = &io});
            returned = true;
        } catch (PowerCutIo::PowerCut const&) {
        }
        ASSERT_LE(io.calls(), kCallsAtMost);
        ASSERT_TRUE(sample::bytes_of(source) == bytes) << "the source was harmed";
        ASSERT_TRUE(fs::exists(copy) || !returned);
        (fs::exists(copy) ? there : absent) += 1;
        if (!fs::exists(copy)) continue;
        auto const verdict = verify(copy);
        ASSERT_TRUE(verdict.good() && verdict.checked == layout.units());
        ASSERT_TRUE(store::status(copy).finished);
        fs::remove(copy);
    }
    EXPECT_GT(there, seeds / 20);
    EXPECT_GT(absent, seeds / 20);
    FaultyIo plain;
    seal(source, copy, {.io = &plain});
    expect_no_draft(folder);
}

}  // namespace
}  // namespace mpira::store
