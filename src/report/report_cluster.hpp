#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "report/report_page.hpp"

namespace mpira::report {

/// A tree of n leaves by average linkage (UPGMA). Node i < n is a leaf, node n + k the k-th merge.
struct Tree {
    struct Merge {
        std::uint64_t left = 0;
        std::uint64_t right = 0;
        double height = 0;
    };
    std::vector<Merge> merges;
    std::vector<std::uint64_t> order;  ///< leaves as they stand side by side
};

/// `distance`: n x n, symmetric. Of equally near pairs the first: the tree is one.
[[nodiscard]] Tree average_linkage(std::span<double const> distance, std::uint64_t n);

/// 1 - Pearson's correlation of the rows of a matrix; 1 with a row that is constant.
[[nodiscard]] std::vector<double> correlation_distance(std::span<double const> matrix, std::uint64_t rows,
                                                       std::uint64_t columns);

/// The tree as lines: across, the places of the leaves; along, its height in [begin, begin + length].
/// `upright`: leaves lie side by side, the tree grows in y.
[[nodiscard]] Series dendrogram(Tree const& tree, double begin, double length, bool upright);

}  // namespace mpira::report
