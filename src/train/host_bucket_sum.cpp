#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <mpi.h>

#include <fmt/format.h>

#include "bucket_sum.hpp"

namespace mpira::train {

namespace {

using Clock = Timeline::Clock;

/// What the thread works on; it outlives the owner when a rank unwinds in the middle of a sum.
struct Shared {
    Shared(comm::Communicator comm_in, at::Tensor buffer_in, std::shared_ptr<Timeline> timeline_in)
        : comm(std::in_place, std::move(comm_in)),
          buffer(std::move(buffer_in)),
          values(buffer.mutable_data_ptr<float>()),
          timeline(std::move(timeline_in)) {}

    std::optional<comm::Communicator> comm;
    at::Tensor buffer;
    float* values;
    std::shared_ptr<Timeline> timeline;

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Bucket> started;
    std::size_t unfinished = 0;
    std::uint64_t number = 0;  // of the next bucket since the last wait()
    bool awaited = false;      // the backward pass is over: somebody is in wait()
    bool leaving = false;
    std::exception_ptr failure;
};

// How long to sleep between two looks after having waited for `waited`. While the backward pass goes on, each
// look interrupts it on a machine without spare cores, so they become rarer; once it is over, they cost
// nobody anything.
std::chrono::microseconds nap_after(Clock::duration waited, bool awaited) {
    using std::chrono::microseconds;
    constexpr microseconds kShortest(50), kLongest(1000);
    if (awaited) return kShortest;
    return std::clamp(std::chrono::duration_cast<microseconds>(waited) / 8, kShortest, kLongest);
}

// Sleeps until all ranks have come this far. MPI_Allreduce spins while it waits, which would take a core from
// the backward pass of a rank that is behind. False when the owner left meanwhile.
bool all_are_here(Shared& shared) {
    auto const begin = Clock::now();
    MPI_Request request = MPI_REQUEST_NULL;
    comm::check(MPI_Ibarrier(shared.comm->raw(), &request), "MPI_Ibarrier");
    while (true) {
        int done = 0;
        comm::check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
        if (done != 0) return true;
        std::unique_lock lock(shared.mutex);
        bool const awaited = shared.awaited;
        shared.changed.wait_for(lock, nap_after(Clock::now() - begin, awaited),
                                [&] { return shared.leaving || shared.awaited != awaited; });
        if (shared.leaving) return false;
    }
}

void sum(Shared& shared, Bucket bucket) {
    auto const from = Clock::now();
    if (!all_are_here(shared)) return;
    auto const met = Clock::now();
    shared.comm->all_sum(
        std::span<float>(shared.values + bucket.first, static_cast<std::size_t>(bucket.count)));
    if (shared.timeline) {
        auto const name = fmt::format("bucket {} ({:.1f} MB)", shared.number,
                                      static_cast<double>(bucket.count) * sizeof(float) / 1e6);
        shared.timeline->add(Timeline::Lane::sums, name + ": others are awaited", from, met);
        shared.timeline->add(Timeline::Lane::sums, name + ": all-reduce", met, Clock::now());
    }
}

void work(std::shared_ptr<Shared> const& shared) {
    std::unique_lock lock(shared->mutex);
    while (true) {
        shared->changed.wait(lock, [&] { return shared->leaving || !shared->started.empty(); });
        if (shared->leaving) return;
        auto const bucket = shared->started.front();
        shared->started.pop_front();
        lock.unlock();
        std::exception_ptr failure;
        try {
            sum(*shared, bucket);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        ++shared->number;
        if (failure && !shared->failure) shared->failure = failure;
        --shared->unfinished;
        shared->changed.notify_all();
    }
}

class HostBucketSum final : public BucketSum {
public:
    HostBucketSum(comm::CommView comm, at::Tensor buffer, std::shared_ptr<Timeline> timeline)
        : shared_(std::make_shared<Shared>(comm.duplicate(), std::move(buffer), std::move(timeline))),
          thread_([shared = shared_] { work(shared); }) {}

    ~HostBucketSum() override {
        bool in_the_middle = false;
        {
            std::lock_guard const lock(shared_->mutex);
            in_the_middle = shared_->unfinished > 0;
            shared_->leaving = true;
        }
        shared_->changed.notify_all();
        if (in_the_middle) {
            // The others may never come, so nobody waits for this sum, and its communicator is not freed,
            // which would be collective: the job is being aborted.
            thread_.detach();
            static_cast<void>(new (std::nothrow) std::shared_ptr<Shared>(shared_));
        } else {
            thread_.join();
        }
    }

    void start(Bucket bucket) override {
        {
            std::lock_guard const lock(shared_->mutex);
            shared_->started.push_back(bucket);
            ++shared_->unfinished;
        }
        shared_->changed.notify_all();
    }

    void wait() override {
        std::unique_lock lock(shared_->mutex);
        shared_->awaited = true;
        shared_->changed.notify_all();
        shared_->changed.wait(lock, [&] { return shared_->unfinished == 0; });
        shared_->awaited = false;
        shared_->number = 0;
        if (shared_->failure) std::rethrow_exception(std::exchange(shared_->failure, nullptr));
    }

private:
    std::shared_ptr<Shared> shared_;
    std::thread thread_;
};

}  // namespace

std::unique_ptr<BucketSum> make_host_bucket_sum(comm::CommView comm, at::Tensor buffer,
                                                std::shared_ptr<Timeline> timeline) {
    return std::make_unique<HostBucketSum>(comm, std::move(buffer), std::move(timeline));
}

}  // namespace mpira::train
