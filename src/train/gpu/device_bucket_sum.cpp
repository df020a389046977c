#include <chrono>
#include <utility>
#include <vector>

#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "mpira/comm/device_group.hpp"

#include "comm/gpu/cuda.hpp"
#include "train/bucket_sum.hpp"

namespace mpira::train {

namespace {

using comm::gpu::check;

/// Owns a cudaEvent_t. Move-only.
class Event {
public:
    explicit Event(bool timed) {
        check(cudaEventCreateWithFlags(&handle_, timed ? cudaEventDefault : cudaEventDisableTiming),
              "cudaEventCreateWithFlags");
    }
    Event(Event&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Event(Event const&) = delete;
    Event& operator=(Event const&) = delete;
    Event& operator=(Event&&) = delete;
    ~Event() {
        if (handle_ != nullptr) cudaEventDestroy(handle_);
    }

    void record(cudaStream_t stream) { check(cudaEventRecord(handle_, stream), "cudaEventRecord"); }
    void wait_here() const { check(cudaEventSynchronize(handle_), "cudaEventSynchronize"); }
    void wait_on(cudaStream_t stream) const {
        check(cudaStreamWaitEvent(stream, handle_, 0), "cudaStreamWaitEvent");
    }
    [[nodiscard]] std::chrono::duration<float, std::milli> since(Event const& start) const {
        float ms = 0;
        check(cudaEventElapsedTime(&ms, start.handle_, handle_), "cudaEventElapsedTime");
        return std::chrono::duration<float, std::milli>(ms);
    }

private:
    cudaEvent_t handle_ = nullptr;
};

class DeviceBucketSum final : public BucketSum {
public:
    DeviceBucketSum(comm::CommView comm, at::Tensor buffer, std::shared_ptr<Timeline> timeline)
        : group_(comm, buffer.device().index()),
          buffer_(std::move(buffer)),
          timeline_(std::move(timeline)),
          stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, buffer_.device().index())) {}

    // Sums after what the current stream has queued, which is what filled the bucket.
    void start(Bucket bucket) override {
        auto const sums = stream_.stream();
        ready_.record(c10::cuda::getCurrentCUDAStream(buffer_.device().index()).stream());
        ready_.wait_on(sums);
        if (timeline_) begin_span(bucket);
        group_.all_sum(buffer_.mutable_data_ptr<float>() + bucket.first,
                       static_cast<std::size_t>(bucket.count), sums);
        if (timeline_) spans_.back().end.record(sums);
    }

    void wait() override {
        done_.record(stream_.stream());
        done_.wait_on(c10::cuda::getCurrentCUDAStream(buffer_.device().index()).stream());
        group_.check();
        if (timeline_) end_spans();
    }

private:
    struct Span {
        Bucket bucket;
        Event begin{true};
        Event end{true};
    };

    void begin_span(Bucket bucket) {
        if (spans_.empty()) {  // ties the device's clock to the host's
            origin_event_.record(stream_.stream());
            origin_event_.wait_here();
            origin_ = Timeline::Clock::now();
        }
        spans_.push_back({.bucket = bucket});
        spans_.back().begin.record(stream_.stream());
    }

    void end_spans() {
        for (std::size_t i = 0; i < spans_.size(); ++i) {
            auto const& span = spans_[i];
            span.end.wait_here();
            auto const at = [&](Event const& event) {
                return origin_ +
                       std::chrono::duration_cast<Timeline::Clock::duration>(event.since(origin_event_));
            };
            timeline_->add(Timeline::Lane::sums,
                           fmt::format("bucket {} ({:.1f} MB): all-reduce", i,
                                       static_cast<double>(span.bucket.count) * sizeof(float) / 1e6),
                           at(span.begin), at(span.end));
        }
        spans_.clear();
    }

    comm::DeviceGroup group_;
    at::Tensor buffer_;
    std::shared_ptr<Timeline> timeline_;
    c10::cuda::CUDAStream stream_;
    Event ready_{false};
    Event done_{false};
    Event origin_event_{true};
    Timeline::Clock::time_point origin_;
    std::vector<Span> spans_;
};

}  // namespace

std::unique_ptr<BucketSum> make_device_bucket_sum(comm::CommView comm, at::Tensor buffer,
                                                  std::shared_ptr<Timeline> timeline) {
    return std::make_unique<DeviceBucketSum>(comm, std::move(buffer), std::move(timeline));
}

}  // namespace mpira::train
