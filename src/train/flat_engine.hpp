#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "mpira/train/gradient_engine.hpp"

#include "flat_gradients.hpp"
#include "timeline.hpp"

namespace mpira::train {

/// Records what the calling thread computes, from one mark to the next; nothing without a timeline.
class ComputeSpans {
public:
    explicit ComputeSpans(Timeline* timeline) : timeline_(timeline) {}
    /// What was done since the last mark.
    void mark(char const* name) {
        if (timeline_ == nullptr) return;
        auto const now = Timeline::Clock::now();
        if (name != nullptr) timeline_->add(Timeline::Lane::compute, name, last_, now);
        last_ = now;
    }

private:
    Timeline* timeline_;
    Timeline::Clock::time_point last_ = Timeline::Clock::now();
};

/// What engines over one flat buffer share, however they sum it: the buffer, the timeline, clipping, and what
/// a rank says at the end of a step.
class FlatEngine : public GradientEngine {
public:
    void mark_failed() final { failed_ = true; }
    void end_training() final {
        if (timeline_) timeline_->write(comm_, true);
    }
    void clip(double most) final { gradients_.clip(most); }

protected:
    FlatEngine(comm::CommView comm, std::vector<at::Tensor> parameters, EngineOptions const& options,
               std::shared_ptr<Timeline> timeline, std::function<void(std::size_t)> on_gradient)
        : comm_(comm),
          options_(options),
          timeline_(std::move(timeline)),
          spans_(timeline_.get()),
          gradients_(std::move(parameters), std::move(on_gradient)) {}

    void open_step() {
        if (timeline_) timeline_->begin_step(comm_);
        spans_.mark(nullptr);
        gradients_.begin();
        failed_ = false;
    }
    /// All gradients of this rank are in the buffer: its last word before the sum over ranks.
    void tell_end(bool wants_stop) { gradients_.tell({.wants_stop = wants_stop, .failed = failed_}); }
    /// The sum over ranks is in the buffer; `last` names what was done since the last mark.
    [[nodiscard]] StepSums close_step(char const* last) {
        auto const sums = gradients_.sums();
        spans_.mark(last);
        if (timeline_) timeline_->write(comm_, false);
        return sums;
    }

    comm::CommView comm_;
    EngineOptions options_;
    std::shared_ptr<Timeline> timeline_;
    ComputeSpans spans_;
    FlatGradients gradients_;
    bool failed_ = false;
};

}  // namespace mpira::train
