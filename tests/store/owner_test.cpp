#include "mpira/store/owner.hpp"

#include <chrono>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "store/sample.hpp"
#include "support/stuck_child.hpp"

namespace mpira::store {
namespace {

using testing::HasSubstr;

class OwnerTest : public testing::Test {
protected:
    void SetUp() override {
        auto const layout = sample::layout();
        ResultFile::create(file, layout, sample::tables(layout));
    }
    /// Rewrites fields of the record, as another machine would have written them.
    void edit(nlohmann::json const& fields) const {
        auto const offset = *AnnDataReader(file).info("uns/mpira/owner").offset;
        auto const bytes = sample::bytes_of(file).substr(offset, kOwnerBytes - 4);
        auto record = nlohmann::json::parse(bytes.substr(0, bytes.find('\0')));
        record.update(fields);
        std::string text = record.dump();
        text.resize(kOwnerBytes - 4, '\0');
        std::uint32_t const crc = crc32(std::as_bytes(std::span(text)));
        std::fstream io(file, std::ios::binary | std::ios::in | std::ios::out);
        io.seekp(static_cast<std::streamoff>(offset));
        io.write(text.data(), static_cast<std::streamsize>(text.size()));
        io.write(reinterpret_cast<char const*>(&crc), sizeof crc);  // NOLINT
    }
    std::string refusal(double wait_s) const {
        try {
            auto const owner = Owner::claim(file, "second", wait_s);
        } catch (Error const& error) {
            EXPECT_EQ(static_cast<int>(error.origin()), static_cast<int>(Origin::usage));
            return error.what();
        }
        return "claimed";
    }
    sample::Folder folder;
    std::filesystem::path file = folder / "out.h5ad";
};

TEST_F(OwnerTest, IsNamedWhileItLivesAndGoneAfterwards) {
    EXPECT_FALSE(read_owner(file).has_value());
    auto const before = sample::bytes_of(file);
    {
        auto owner = Owner::claim(file, "slurm 4711", 0);
        owner.heartbeat();
        auto const info = read_owner(file);
        ASSERT_TRUE(info.has_value());
        EXPECT_EQ(info->pid, ::getpid());
        EXPECT_EQ(info->job, "slurm 4711");
        EXPECT_TRUE(info->alive());
        auto const moved = std::move(owner);
        EXPECT_TRUE(read_owner(file).has_value());
    }
    EXPECT_FALSE(read_owner(file).has_value());
    EXPECT_TRUE(sample::bytes_of(file) == before);
}

TEST_F(OwnerTest, OfAProcessThatDiedButWasNotReapedIsTakenOver) {
    pid_t const child = ::fork();
    if (child == 0) {
        auto const owner = Owner::claim(file, "first", 0);
        ::_exit(0);  // as if killed: the record stays
    }
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);  // a zombie from here
    auto const info = read_owner(file);
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->pid, child);
    EXPECT_FALSE(info->alive());
    EXPECT_EQ(refusal(0), "claimed");
    ::waitpid(child, nullptr, 0);
}

TEST_F(OwnerTest, IsRefusedByNameWhileAnotherLives) {
    auto const owner = Owner::claim(file, "first", 0);
    auto const message = refusal(0.1);
    EXPECT_THAT(message, HasSubstr("is owned by host"));
    EXPECT_THAT(message, HasSubstr("pid " + std::to_string(::getpid()) + " (first) since"));
    EXPECT_THAT(message, testing::ContainsRegex("last heartbeat [0-9]+ s ago"));
}

TEST_F(OwnerTest, WaitsForADyingOwner) {
    test::StuckChild child([&](auto const& stuck) {
        auto const owner = Owner::claim(file, "child", 0);
        stuck();
    });
    EXPECT_THAT(refusal(0), HasSubstr("(child)"));
    std::thread killer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        child.kill();
    });
    EXPECT_EQ(refusal(15), "claimed");
    killer.join();
}

TEST_F(OwnerTest, SeesAReusedPid) {
    auto owner = Owner::claim(file, "first", 0);
    edit({{"process_start", 1}});  // our pid, but a process that started at another time
    EXPECT_EQ(refusal(0), "claimed");
}

TEST_F(OwnerTest, TakesOverFromAnotherHostOnlyWithoutHeartbeat) {
    auto owner = Owner::claim(file, "first", 0);
    edit({{"host", "elsewhere"}});
    EXPECT_THAT(refusal(0), HasSubstr("host elsewhere"));
    auto const long_ago = read_owner(file)->heartbeat_ms - 61'000;
    edit({{"heartbeat_ms", long_ago}});
    auto second = Owner::claim(file, "second", 0);
    auto const complaint = [&] {
        try {
            owner.heartbeat();  // the first one wakes up
        } catch (Error const& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    EXPECT_THAT(complaint(), HasSubstr("has been taken over by host"));
    ASSERT_TRUE(read_owner(file).has_value());
    EXPECT_EQ(read_owner(file)->job, "second");
    second.release();
    EXPECT_THAT(complaint(), HasSubstr("has been taken over by a run that has ended since"));
    EXPECT_FALSE(read_owner(file).has_value());
}

TEST_F(OwnerTest, DoesNotClearAnothersRecord) {
    auto owner = Owner::claim(file, "first", 0);
    edit({{"host", "elsewhere"}, {"heartbeat_ms", read_owner(file)->heartbeat_ms - 61'000}});
    auto const second = Owner::claim(file, "second", 0);
    owner.release();
    ASSERT_TRUE(read_owner(file).has_value());
    EXPECT_EQ(read_owner(file)->job, "second");
}

TEST_F(OwnerTest, NoticesThatItsFileHasLostItsName) {
    auto owner = Owner::claim(file, "first", 0);
    auto const complaint = [&] {
        try {
            owner.heartbeat();
        } catch (Error const& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    std::filesystem::rename(file, folder / "elsewhere.h5ad");
    EXPECT_THAT(complaint(), HasSubstr("out.h5ad was deleted or renamed"));
    std::filesystem::copy_file(folder / "elsewhere.h5ad", file);
    EXPECT_THAT(complaint(), HasSubstr("out.h5ad was replaced by another file"));
    std::filesystem::rename(folder / "elsewhere.h5ad", file);
    EXPECT_EQ(complaint(), "none");
}

TEST_F(OwnerTest, TakesATornRecordForNobodys) {
    { auto const owner = Owner::claim(file, "first", 0); }
    sample::damage(file, *AnnDataReader(file).info("uns/mpira/owner").offset + 20);
    EXPECT_EQ(refusal(0), "claimed");
}

TEST_F(OwnerTest, RefusesAForeignFile) {
    file = folder / "other";
    std::ofstream(file) << "text";
    EXPECT_THAT(refusal(0), HasSubstr("other"));
}

}  // namespace
}  // namespace mpira::store
