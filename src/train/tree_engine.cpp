#include <algorithm>
#include <bit>
#include <utility>

#include <ATen/ops/empty_like.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/model/in_order.hpp"
#include "mpira/train/window_plan.hpp"

#include "engines.hpp"
#include "flat_engine.hpp"

namespace mpira::train {

namespace {

constexpr std::uint64_t kLeastMicroBatches = 4;

/// A binary tree over leaves 0, 1, ..., that come one by one: a sum is formed as soon as both of its halves
/// are there, so that log2(leaves) + 1 tensors are enough.
class Tree {
public:
    void add(at::Tensor const& leaf) {
        if (nodes_.empty() || nodes_.back().level != 0) {
            auto copy = spare_.empty() ? at::empty_like(leaf) : std::move(spare_.back());
            if (!spare_.empty()) spare_.pop_back();
            copy.copy_(leaf);
            nodes_.push_back({std::move(copy), 0});
            return;
        }
        nodes_.back().sum.add_(leaf);
        ++nodes_.back().level;
        while (nodes_.size() > 1 && nodes_[nodes_.size() - 2].level == nodes_.back().level) {
            auto right = std::move(nodes_.back().sum);
            nodes_.pop_back();
            nodes_.back().sum.add_(right);
            ++nodes_.back().level;
            spare_.push_back(std::move(right));
        }
    }
    /// The sum of a power of two of leaves; the tree is empty afterwards, and takes the tensor back.
    [[nodiscard]] at::Tensor take_root() {
        ensure(nodes_.size() == 1, "a tree over a number of micro-batches that is no power of two");
        auto root = std::move(nodes_.back().sum);
        nodes_.clear();
        spare_.push_back(root);
        return root;
    }
    void clear() {
        for (auto& node : nodes_) spare_.push_back(std::move(node.sum));
        nodes_.clear();
    }

private:
    struct Node {
        at::Tensor sum;
        int level;
    };
    std::vector<Node> nodes_;
    std::vector<at::Tensor> spare_;
};

/// The same bits on 1, 2, 4, ... ranks: the global batch is always cut into the same micro-batches, each has
/// a gradient of its own, and these are summed by one binary tree over their numbers. A rank has a subtree;
/// the levels above are pairwise exchanges, in which both ranks compute the same sum of two.
class TreeEngine final : public FlatEngine {
public:
    TreeEngine(comm::CommView comm, std::vector<at::Tensor> parameters, EngineOptions const& options,
               std::shared_ptr<Timeline> timeline)
        : FlatEngine(comm, std::move(parameters), options, std::move(timeline), [](std::size_t) {}),
          in_order_(gradients_.all().is_cuda()),
          micro_batches_(
              std::max(kLeastMicroBatches,
                       std::bit_ceil((options.batch + options.micro_batch - 1) / options.micro_batch))) {
        auto const ranks = static_cast<std::uint64_t>(comm.size());
        require(
            std::has_single_bit(ranks) && ranks <= micro_batches_,
            fmt::format("train.deterministic can't use {} ranks: its batches are cut into {} micro-batches, "
                        "so start it on a power of two of ranks, at most {}; or set train.deterministic = "
                        "false",
                        ranks, micro_batches_, micro_batches_));
        each_ = static_cast<std::uint32_t>(micro_batches_ / ranks);
        first_ = each_ * static_cast<std::uint32_t>(comm.rank());
    }

    [[nodiscard]] std::vector<Pass> passes(std::span<std::uint64_t const> lengths) const override {
        std::vector<Pass> passes;
        for (auto number = first_; number < first_ + each_; ++number) {
            auto const part =
                part_of(lengths.size(), static_cast<int>(number), static_cast<int>(micro_batches_));
            append_passes(passes, lengths, part.first, part.end, options_.micro_batch, number);
        }
        if (!passes.empty()) passes.back().last = true;
        return passes;
    }

    [[nodiscard]] std::vector<Pass> scoring_passes(std::span<std::uint64_t const> lengths) const override {
        std::vector<Pass> all;
        append_passes(all, lengths, 0, lengths.size(), options_.micro_batch, 0);
        auto const mine = part_of(all.size(), comm_.rank(), comm_.size());
        return {all.begin() + static_cast<std::ptrdiff_t>(mine.first),
                all.begin() + static_cast<std::ptrdiff_t>(mine.end)};
    }

    void begin_step() override {
        open_step();
        tree_.clear();
        open_ = first_;
    }

    void backward(at::Tensor const& loss, Pass const& pass) override {
        spans_.mark("forward");
        while (open_ < pass.micro_batch) close_micro_batch();
        gradients_.backward(loss);
        spans_.mark("backward");
    }

    StepSums finish_step(bool wants_stop) override {
        spans_.mark(nullptr);
        if (failed_) {  // whatever there is of the tree, nobody will use it
            gradients_.complete();
        } else {
            take_own_tree();
        }
        tell_end(wants_stop);
        spans_.mark("tree over own micro-batches");
        sum_over_ranks();
        return close_step("tree over ranks");
    }

private:
    // Micro-batches without samples count as zeros: adding nothing at all would keep a -0 that this makes +0.
    void close_micro_batch() {
        gradients_.complete();
        tree_.add(gradients_.all());
        gradients_.begin();
        ++open_;
    }

    // This rank's sum into the buffer.
    void take_own_tree() {
        while (open_ < first_ + each_) close_micro_batch();
        auto const root = tree_.take_root();
        gradients_.begin();
        gradients_.complete();  // .grad are views again
        gradients_.all().copy_(root);
    }

    void sum_over_ranks() {
        if (comm_.size() == 1) return;
        auto host = gradients_.all().to(at::kCPU);  // itself on the CPU
        std::span<float> const values(host.mutable_data_ptr<float>(), static_cast<std::size_t>(host.numel()));
        theirs_.resize(std::min(values.size(), kPiece));
        for (int apart = 1; apart < comm_.size(); apart *= 2) {
            for (std::size_t at = 0; at < values.size(); at += kPiece) {
                auto const mine = values.subspan(at, std::min(kPiece, values.size() - at));
                std::span<float> const theirs(theirs_.data(), mine.size());
                comm_.exchange(comm_.rank() ^ apart, mine, theirs);
                for (std::size_t i = 0; i < mine.size(); ++i) mine[i] += theirs[i];
            }
        }
        if (!host.is_alias_of(gradients_.all())) gradients_.all().copy_(host);
    }

    static constexpr std::size_t kPiece = std::size_t{1} << 20;

    model::InOrder in_order_;      // a GPU's sums through atomics come out differently each time
    std::uint64_t micro_batches_;  // of a global batch
    std::uint32_t first_ = 0;      // of this rank
    std::uint32_t each_ = 0;       // rank's
    std::uint32_t open_ = 0;       // whose gradient is being computed
    Tree tree_;
    std::vector<float> theirs_;
};

}  // namespace

std::unique_ptr<GradientEngine> make_tree_engine(comm::CommView comm, std::vector<at::Tensor> parameters,
                                                 EngineOptions const& options,
                                                 std::shared_ptr<Timeline> timeline) {
    return std::make_unique<TreeEngine>(comm, std::move(parameters), options, std::move(timeline));
}

}  // namespace mpira::train
