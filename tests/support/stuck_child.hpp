#pragma once

#include <array>
#include <csignal>
#include <exception>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace mpira::test {

/// A child process that does something, stops there and lives until it is killed.
class StuckChild {
public:
    /// `work(stuck)` runs in the child and must call stuck(), which does not return. The constructor waits
    /// for it.
    template <typename Work>
    explicit StuckChild(Work const& work) {
        std::array<int, 2> ready{};
        EXPECT_EQ(::pipe(ready.data()), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            try {
                work([told = ready[1]] {
                    char const byte = 'x';
                    if (::write(told, &byte, 1) == 1)
                        for (;;) ::pause();
                    ::_exit(1);
                });
            } catch (std::exception const&) {
            }
            ::_exit(1);
        }
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1) << "the child ended by itself";
        ::close(ready[0]);
    }
    StuckChild(StuckChild const&) = delete;
    StuckChild& operator=(StuckChild const&) = delete;
    ~StuckChild() { kill(); }

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// kill -9, and waits for its end.
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

private:
    pid_t pid_ = 0;
};

}  // namespace mpira::test
