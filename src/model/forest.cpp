#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/model/estimator.hpp"

namespace mpira::model {

namespace {

/// An input of a column, and its row. Sorted by value once for all trees and outputs.
struct Input {
    float value = 0;
    std::uint32_t row = 0;
};
using Columns = std::vector<std::vector<Input>>;

struct Node {
    std::int64_t column = -1;  ///< -1: a leaf
    double threshold = 0;      ///< inputs up to here go to `left`, the others to left + 1
    std::size_t left = 0;
    double value = 0;  ///< mean target
};
using Tree = std::vector<Node>;

/// Grows a tree a level at a time: one pass over each sorted column finds the best splits of all nodes of the
/// level, so that nothing is sorted again.
class TreeGrower {
public:
    /// `weights`: how often each row counts. All must outlive this.
    TreeGrower(Columns const& columns, std::span<float const> y, std::span<std::uint32_t const> weights,
               std::function<bool()> const& stop_requested)
        : columns_(columns), stop_requested_(stop_requested) {
        for (std::size_t row = 0; row < y.size(); ++row) {
            rows_.push_back(
                {weights[row] > 0 ? 0 : kNowhere, static_cast<double>(weights[row]), double{y[row]}});
        }
    }

    Tree grow(std::uint64_t depth) {
        tree_.resize(1);
        for (std::size_t level = 0, next = 0; next < tree_.size(); ++level) {
            first_ = std::exchange(next, tree_.size());
            summarise();
            if (level == depth) break;
            for (std::size_t column = 0; column < columns_.size(); ++column) look_for_splits(column);
            split();
        }
        return std::move(tree_);
    }

private:
    static constexpr std::int64_t kNowhere = -1;

    struct Row {
        std::int64_t node = kNowhere;
        double weight = 0;
        double y = 0;
    };
    /// A node of the present level.
    struct Growing {
        double weight = 0, sum = 0;
        double least = std::numeric_limits<double>::infinity();
        double most = -std::numeric_limits<double>::infinity();
        double best = -std::numeric_limits<double>::infinity();  ///< the larger, the less squared error
        // Of the column that is looked at: what lies left of the present input.
        double left_weight = 0, left_sum = 0;
        float last = 0;
    };

    Growing* growing_at(Row const& row) {
        return row.node < static_cast<std::int64_t>(first_)
                   ? nullptr
                   : &level_[static_cast<std::size_t>(row.node) - first_];
    }

    void summarise() {
        level_.assign(tree_.size() - first_, {});
        for (auto const& row : rows_) {
            auto* const node = growing_at(row);
            if (node == nullptr) continue;
            node->weight += row.weight;
            node->sum += row.weight * row.y;
            node->least = std::min(node->least, row.y);
            node->most = std::max(node->most, row.y);
        }
        for (std::size_t i = 0; i < level_.size(); ++i) {
            tree_[first_ + i].value = level_[i].sum / level_[i].weight;
        }
        for (auto& row : rows_) {  // nodes of equal targets stay leaves
            auto const* const node = growing_at(row);
            if (node != nullptr && node->least == node->most) row.node = kNowhere;
        }
    }

    void look_for_splits(std::size_t column) {
        if (stop_requested_ && stop_requested_()) throw Error(Origin::stopped, "stopped within a fit");
        auto const& inputs = columns_[column];
        if (inputs.front().value == inputs.back().value) return;
        for (auto& node : level_) node.left_weight = node.left_sum = 0;
        for (auto const& input : inputs) {
            auto const& row = rows_[input.row];
            auto* const node = growing_at(row);
            if (node == nullptr) continue;
            if (node->left_weight > 0 && input.value > node->last) {
                double const right_sum = node->sum - node->left_sum;
                double const gain = node->left_sum * node->left_sum / node->left_weight +
                                    right_sum * right_sum / (node->weight - node->left_weight);
                if (gain > node->best) {
                    node->best = gain;
                    auto& split = tree_[static_cast<std::size_t>(row.node)];
                    split.column = static_cast<std::int64_t>(column);
                    split.threshold = (double{node->last} + double{input.value}) / 2;
                }
            }
            node->left_weight += row.weight;
            node->left_sum += row.weight * row.y;
            node->last = input.value;
        }
    }

    // Gives the nodes that have a split their two, and sends the rows on.
    void split() {
        std::vector<bool> used(columns_.size(), false);
        auto const end = tree_.size();
        for (auto i = first_; i < end; ++i) {
            if (tree_[i].column < 0) continue;
            used[static_cast<std::size_t>(tree_[i].column)] = true;
            tree_[i].left = tree_.size();
            tree_.resize(tree_.size() + 2);
        }
        for (std::size_t column = 0; column < columns_.size(); ++column) {
            if (!used[column]) continue;
            for (auto const& input : columns_[column]) {
                auto& row = rows_[input.row];
                // A row that was sent on already is at a node behind `end`.
                if (row.node < static_cast<std::int64_t>(first_) ||
                    row.node >= static_cast<std::int64_t>(end))
                    continue;
                auto const& node = tree_[static_cast<std::size_t>(row.node)];
                if (node.column != static_cast<std::int64_t>(column)) continue;
                row.node = static_cast<std::int64_t>(node.left) + (input.value <= node.threshold ? 0 : 1);
            }
        }
    }

    Columns const& columns_;
    std::function<bool()> const& stop_requested_;
    std::vector<Row> rows_;
    Tree tree_;
    std::size_t first_ = 0;  // node of the present level
    std::vector<Growing> level_;
};

double value_of(Tree const& tree, std::span<float const> row) {
    std::size_t at = 0;
    while (tree[at].column >= 0) {
        auto const right = double{row[static_cast<std::size_t>(tree[at].column)]} > tree[at].threshold;
        at = tree[at].left + (right ? 1 : 0);
    }
    return tree[at].value;
}

class Forest final : public Estimator {
public:
    Forest(EstimatorShape shape, ForestOptions const& options)
        : shape_(shape), options_(options), columns_(shape.columns), targets_(shape.outputs) {
        ensure(shape.columns > 0 && shape.outputs > 0 && options.trees > 0, "a forest without trees");
    }

    void add(std::span<float const> x, std::span<float const> y) override {
        auto const rows = y.size() / shape_.outputs;
        ensure(y.size() % shape_.outputs == 0 && x.size() == rows * shape_.columns,
               "forest: rows of another shape");
        auto const before = targets_.front().size();
        require(before + rows <= std::numeric_limits<std::uint32_t>::max(),
                "forest: takes fewer than 2^32 regions");
        for (std::size_t column = 0; column < shape_.columns; ++column) {
            for (std::size_t row = 0; row < rows; ++row) {
                columns_[column].push_back(
                    {x[row * shape_.columns + column], static_cast<std::uint32_t>(before + row)});
            }
        }
        for (std::size_t i = 0; i < y.size(); ++i) targets_[i % shape_.outputs].push_back(y[i]);
    }

    void fit(std::function<bool()> const& stop_requested) override {
        auto const rows = targets_.front().size();
        ensure(rows > 0, "forest: nothing to fit");
        for (auto& column : columns_) {
            if (stop_requested && stop_requested()) throw Error(Origin::stopped, "stopped within a fit");
            std::ranges::sort(column, [](Input const& a, Input const& b) {
                return a.value < b.value || (a.value == b.value && a.row < b.row);
            });
        }
        for (std::uint32_t output = 0; output < shape_.outputs; ++output) {
            auto& trees = forests_.emplace_back();
            for (std::uint32_t tree = 0; tree < options_.trees; ++tree) {
                std::vector<std::uint32_t> weights(rows, options_.bootstrap ? 0 : 1);
                Draws draws(options_.seed, Stream::forest, tree, output);
                for (std::size_t i = 0; options_.bootstrap && i < rows; ++i) ++weights[draws.below(rows)];
                trees.push_back(
                    TreeGrower(columns_, targets_[output], weights, stop_requested).grow(options_.depth));
            }
        }
    }

    void predict(std::span<float const> x, std::span<float> out) const override {
        ensure(!forests_.empty() && x.size() * shape_.outputs == out.size() * shape_.columns,
               "forest: rows of another shape");
        for (std::size_t i = 0; i < out.size(); ++i) {
            auto const row = x.subspan(i / shape_.outputs * shape_.columns, shape_.columns);
            double sum = 0;
            for (auto const& tree : forests_[i % shape_.outputs]) sum += value_of(tree, row);
            out[i] = static_cast<float>(sum / static_cast<double>(options_.trees));
        }
    }

private:
    EstimatorShape shape_;
    ForestOptions options_;
    Columns columns_;
    std::vector<std::vector<float>> targets_;  // of each output
    std::vector<std::vector<Tree>> forests_;   // of each output
};

}  // namespace

std::unique_ptr<Estimator> make_forest(EstimatorShape shape, ForestOptions const& options) {
    return std::make_unique<Forest>(shape, options);
}

}  // namespace mpira::model
