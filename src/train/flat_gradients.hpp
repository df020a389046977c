#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/train/gradient_engine.hpp"

namespace mpira::train {

/// The gradients of all parameters in one buffer, each .grad a view of it: what ranks exchange needs no
/// gathering, and one factor scales them all. Its tail carries the step's loss, the wish to stop and the word
/// that a rank has failed, which then cost no collective of their own.
///
/// The first backward after begin() leaves its gradient in a tensor of its own, which a hook copies into the
/// buffer (cheaper than clearing and adding: half the memory traffic); those after it add to the buffer.
///
/// Owner of the buffer; the parameters' hooks and .grad are its own while it lives. Not movable. Threads: the
/// one that runs the backward.
class FlatGradients {
public:
    /// Parameters lie in the buffer in the order given. `on_gradient(i)` is called, within a backward, when
    /// parameter i's gradient of this backward is in the buffer.
    FlatGradients(std::vector<at::Tensor> parameters, std::function<void(std::size_t)> on_gradient);
    ~FlatGradients();
    FlatGradients(FlatGradients const&) = delete;
    FlatGradients& operator=(FlatGradients const&) = delete;

    [[nodiscard]] std::size_t count() const noexcept { return parameters_.size(); }
    /// Where parameter i begins; one more for the end of the last.
    [[nodiscard]] std::vector<std::int64_t> const& offsets() const noexcept { return offsets_; }
    [[nodiscard]] at::Tensor const& all() const noexcept { return all_; }  ///< gradients and tail

    /// Forgets all gradients and the tail.
    void begin();
    /// Adds a loss's gradients and its value.
    void backward(at::Tensor const& loss);
    /// Zeros for the parameters that no backward has reached since begin().
    void complete();

    void clip(double most);
    void tell(StepSums const& mine);      ///< all but the loss, which backward() has added
    [[nodiscard]] StepSums sums() const;  ///< what the tail says

private:
    void take(std::size_t i);

    std::vector<at::Tensor> parameters_;
    std::vector<at::Tensor> views_;
    std::vector<std::uint8_t> reached_;
    std::vector<std::int64_t> offsets_;
    std::function<void(std::size_t)> on_gradient_;
    at::Tensor all_;
    at::Tensor gradient_;
    at::Tensor tail_;
};

/// Cuts samples [first, end) into passes of one length and at most `at_most` samples each.
void append_passes(std::vector<Pass>& passes, std::span<std::uint64_t const> lengths, std::size_t first,
                   std::size_t end, std::uint64_t at_most, std::uint32_t micro_batch);

}  // namespace mpira::train
