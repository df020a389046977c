#include "report/report_cluster.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mpira::report {
namespace {

void leaves_of(Tree const& tree, std::uint64_t n, std::uint64_t node, std::vector<std::uint64_t>& order) {
    std::vector<std::uint64_t> open{node};
    while (!open.empty()) {
        auto const at = open.back();
        open.pop_back();
        if (at < n) {
            order.push_back(at);
            continue;
        }
        open.push_back(tree.merges[at - n].right);
        open.push_back(tree.merges[at - n].left);
    }
}

}  // namespace

Tree average_linkage(std::span<double const> distance, std::uint64_t n) {
    Tree tree;
    std::vector<double> d(distance.begin(), distance.end());
    std::vector<std::uint64_t> node(n), size(n, 1);
    std::vector<bool> alive(n, true);
    for (std::uint64_t i = 0; i < n; ++i) node[i] = i;
    for (std::uint64_t merges = 0; merges + 1 < n; ++merges) {
        std::uint64_t one = 0, other = 0;
        double nearest = std::numeric_limits<double>::infinity();
        for (std::uint64_t i = 0; i < n; ++i)
            for (std::uint64_t j = i + 1; alive[i] && j < n; ++j)
                if (alive[j] && d[i * n + j] < nearest) {
                    nearest = d[i * n + j];
                    one = i;
                    other = j;
                }
        tree.merges.push_back({node[one], node[other], nearest});
        auto const a = static_cast<double>(size[one]), b = static_cast<double>(size[other]);
        for (std::uint64_t k = 0; k < n; ++k) {
            if (!alive[k] || k == one || k == other) continue;
            d[one * n + k] = d[k * n + one] = (a * d[one * n + k] + b * d[other * n + k]) / (a + b);
        }
        size[one] += size[other];
        alive[other] = false;
        node[one] = n + merges;
    }
    if (n > 0) leaves_of(tree, n, n == 1 ? 0 : n + tree.merges.size() - 1, tree.order);
    return tree;
}

std::vector<double> correlation_distance(std::span<double const> matrix, std::uint64_t rows,
                                         std::uint64_t columns) {
    std::vector<double> scaled(matrix.begin(), matrix.end());
    for (std::uint64_t r = 0; r < rows; ++r) {
        auto const row = std::span(scaled).subspan(r * columns, columns);
        double sum = 0, squares = 0, scale = 0;
        for (auto& value : row) {
            if (!std::isfinite(value)) value = 0;
            sum += value;
            scale += value * value;
        }
        for (auto& value : row) {
            value -= sum / static_cast<double>(columns);
            squares += value * value;
        }
        constexpr double kRounding = 1e-26;  // what it leaves of equal values is no spread
        bool const varies = squares > kRounding * scale;
        for (auto& value : row) value = varies ? value / std::sqrt(squares) : 0;
    }
    std::vector<double> distance(rows * rows);
    for (std::uint64_t i = 0; i < rows; ++i) {
        for (std::uint64_t j = i + 1; j < rows; ++j) {
            double product = 0;
            for (std::uint64_t c = 0; c < columns; ++c)
                product += scaled[i * columns + c] * scaled[j * columns + c];
            distance[i * rows + j] = distance[j * rows + i] = std::isfinite(product) ? 1 - product : 1;
        }
    }
    return distance;
}

Series dendrogram(Tree const& tree, double begin, double length, bool upright) {
    auto const n = tree.order.size();
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    double most = 0;
    for (auto const& merge : tree.merges) most = std::max(most, merge.height);
    std::vector<double> place(n + tree.merges.size()), height(place.size());
    for (std::size_t i = 0; i < n; ++i) place[tree.order[i]] = static_cast<double>(i);
    Series lines{.colour = kGrey, .size = 1};
    for (std::size_t m = 0; m < tree.merges.size(); ++m) {
        auto const& merge = tree.merges[m];
        auto const own = most > 0 ? std::max(0.0, merge.height) / most : 0;
        for (auto const& [across, along] :
             {std::pair(place[merge.left], height[merge.left]), std::pair(place[merge.left], own),
              std::pair(place[merge.right], own), std::pair(place[merge.right], height[merge.right]),
              std::pair(kNone, kNone)}) {
            auto const scaled = begin + along * length;
            lines.x.push_back(upright ? across : scaled);
            lines.y.push_back(upright ? scaled : across);
        }
        place[n + m] = (place[merge.left] + place[merge.right]) / 2;
        height[n + m] = own;
    }
    return lines;
}

}  // namespace mpira::report
