#include <algorithm>
#include <utility>

#include "mpira/base/error.hpp"
#include "mpira/train/window_plan.hpp"

#include "bucket_sum.hpp"
#include "engines.hpp"
#include "flat_engine.hpp"

namespace mpira::train {

namespace {

/// Gradients are summed bucket by bucket while the last backward of the step still runs: a bucket is started
/// when its last gradient is there and all buckets before it were started, so that the order is the same on
/// every rank, whatever each of them computes.
class BucketedEngine final : public FlatEngine {
public:
    BucketedEngine(comm::CommView comm, std::vector<at::Tensor> parameters, EngineOptions const& options,
                   std::shared_ptr<Timeline> timeline)
        : FlatEngine(comm, last_first(std::move(parameters)), options, std::move(timeline),
                     [this](std::size_t i) { have(i); }) {
        cut_into_buckets();
    }

    [[nodiscard]] std::vector<Pass> passes(std::span<std::uint64_t const> lengths) const override {
        auto const mine = part_of(lengths.size(), comm_.rank(), comm_.size());
        std::vector<Pass> passes;
        append_passes(passes, lengths, mine.first, mine.end, options_.micro_batch, 0);
        for (std::size_t i = 0; i < passes.size(); ++i) {
            passes[i].micro_batch = static_cast<std::uint32_t>(i);
            passes[i].last = i + 1 == passes.size();
        }
        return passes;
    }
    [[nodiscard]] std::vector<Pass> scoring_passes(std::span<std::uint64_t const> lengths) const override {
        return passes(lengths);
    }

    void begin_step() override {
        if (!sum_ && comm_.size() > 1) {
            auto const& buffer = gradients_.all();
            sum_ = buffer.is_cpu() ? make_host_bucket_sum(comm_, buffer, timeline_)
                                   : make_device_bucket_sum(comm_, buffer, timeline_);
        }
        open_step();
        missing_ = size_;
        next_ = 0;
        last_pass_ = false;
    }

    void backward(at::Tensor const& loss, Pass const& pass) override {
        spans_.mark("forward");
        last_pass_ = pass.last;
        gradients_.backward(loss);
        last_pass_ = false;
        spans_.mark("backward");
    }

    StepSums finish_step(bool wants_stop) override {
        spans_.mark(nullptr);
        gradients_.complete();
        tell_end(wants_stop);
        if (sum_) {
            while (next_ < buckets_.size()) sum_->start(buckets_[next_++]);
            sum_->wait();
        }
        return close_step("wait for sums");
    }

private:
    // Backward passes meet the parameters from the last to the first, more or less.
    static std::vector<at::Tensor> last_first(std::vector<at::Tensor> parameters) {
        std::reverse(parameters.begin(), parameters.end());
        return parameters;
    }

    void cut_into_buckets() {
        auto const most = static_cast<std::int64_t>(options_.bucket_bytes / sizeof(float));
        auto const& offsets = gradients_.offsets();
        std::int64_t first = 0;
        for (std::size_t i = 0; i < gradients_.count(); ++i) {
            bool const opens = buckets_.empty() || offsets[i + 1] - first > most;
            if (opens) {
                first = offsets[i];
                buckets_.push_back({first, 0});
                size_.push_back(0);
            }
            bucket_of_.push_back(buckets_.size() - 1);
            buckets_.back().count = offsets[i + 1] - first;
            ++size_.back();
        }
        // The last one takes the tail along, which is complete in finish_step only.
        buckets_.back().count = gradients_.all().numel() - buckets_.back().first;
        ++size_.back();
        missing_ = size_;
    }

    // Parameter i's gradient is in the buffer.
    void have(std::size_t i) {
        if (!last_pass_ || !sum_) return;
        --missing_[bucket_of_[i]];
        while (next_ < buckets_.size() && missing_[next_] == 0) sum_->start(buckets_[next_++]);
    }

    std::vector<Bucket> buckets_;
    std::vector<std::size_t> bucket_of_;  // of each parameter
    std::vector<std::size_t> size_;       // parameters of each bucket; one more in the last, for the tail
    std::vector<std::size_t> missing_;
    std::size_t next_ = 0;  // bucket to start
    bool last_pass_ = false;
    std::unique_ptr<BucketSum> sum_;
};

}  // namespace

std::unique_ptr<GradientEngine> make_bucketed_engine(comm::CommView comm, std::vector<at::Tensor> parameters,
                                                     EngineOptions const& options,
                                                     std::shared_ptr<Timeline> timeline) {
    return std::make_unique<BucketedEngine>(comm, std::move(parameters), options, std::move(timeline));
}

}  // namespace mpira::train
