#include "mpira/comm/stop.hpp"

#include <chrono>
#include <thread>

#include <signal.h>

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"

namespace mpira::comm {
namespace {

double seconds_of(auto&& call) {
    auto const start = std::chrono::steady_clock::now();
    call();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(StopSignals, NotesTheStrongestRequestAndTheFirstSignal) {
    StopSignals signals;
    EXPECT_EQ(signals.requested(), StopKind::none);
    EXPECT_EQ(signals.signal(), 0);
    raise(SIGUSR1);
    EXPECT_EQ(signals.requested(), StopKind::gentle);
    raise(SIGTERM);
    EXPECT_EQ(signals.requested(), StopKind::now);
    raise(SIGUSR1);
    EXPECT_EQ(signals.requested(), StopKind::now);
    EXPECT_EQ(signals.signal(), SIGUSR1);
}

TEST(StopSignals, StartsAfreshAndPutsHandlersBack) {
    struct sigaction before {};
    sigaction(SIGTERM, nullptr, &before);
    {
        StopSignals signals;
        EXPECT_EQ(signals.requested(), StopKind::none);
        raise(SIGINT);
        EXPECT_EQ(signals.requested(), StopKind::now);
    }
    struct sigaction after {};
    sigaction(SIGTERM, nullptr, &after);
    EXPECT_EQ(after.sa_handler, before.sa_handler);
}

TEST(StopSignals, OneAtATime) {
    StopSignals const signals;
    EXPECT_THROW(StopSignals(), Error);
    raise(SIGUSR1);
    EXPECT_EQ(signals.requested(), StopKind::gentle);
}

TEST(StopSignals, WaitEndsWithASignalOrAWake) {
    StopSignals signals;
    raise(SIGUSR1);
    EXPECT_LT(seconds_of([&] { signals.wait(30); }), 10);  // what has come already
    std::jthread const waker([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        signals.wake();
    });
    EXPECT_LT(seconds_of([&] { signals.wait(30); }), 10);
    EXPECT_GE(seconds_of([&] { signals.wait(0.02); }), 0.02);  // nothing left: the whole time
}

TEST(StopSignals, ASecondInterruptEndsTheProcess) {
    EXPECT_EXIT(
        {
            StopSignals const signals;
            raise(SIGINT);
            raise(SIGINT);
            std::this_thread::sleep_for(std::chrono::seconds(5));
        },
        testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace mpira::comm
