// SIGTERM and, a second later, SIGKILL, as mpirun and many schedulers do: what was finished is in the file,
// even when the unit at hand hears nothing.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mpira/store/inspect.hpp"

#include "support/scratch_folder.hpp"

namespace mpira::schedule {
namespace {

TEST(Sigterm, CommitsFinishedRowsBeforeTheLauncherKills) {
    test::ScratchFolder const folder;
    auto const file = folder.path() / "a.h5ad";
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe(out.data()), 0);
    pid_t const child = ::fork();
    if (child == 0) {
        ::dup2(out[1], STDOUT_FILENO);
        ::close(out[0]);
        ::execl(STUBBORN_CAMPAIGN, STUBBORN_CAMPAIGN, file.c_str(), nullptr);
        ::_exit(127);
    }
    ::close(out[1]);
    std::FILE* const lines = ::fdopen(out[0], "r");
    std::array<char, 256> line{};
    bool there = false;
    while (!there && std::fgets(line.data(), static_cast<int>(line.size()), lines) != nullptr)
        there = std::string(line.data()).starts_with("in the long unit");
    ASSERT_TRUE(there);
    auto const before = store::status(file);
    EXPECT_EQ(before.done, 0U);  // so that it is the signal that commits
    EXPECT_EQ(before.units, 8U);

    ::kill(child, SIGTERM);
    std::this_thread::sleep_for(std::chrono::seconds(1));
    EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << "it is not in the long unit any more";
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::fclose(lines);

    EXPECT_EQ(store::status(file).done, 7U);
    auto const verdict = store::verify(file);
    EXPECT_TRUE(verdict.good());
    EXPECT_EQ(verdict.checked, 7U);
}

}  // namespace
}  // namespace mpira::schedule
