#include "jobs/enrichment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <boost/math/distributions/hypergeometric.hpp>

#include "mpira/base/error.hpp"

namespace mpira::jobs {

std::uint64_t top_count(std::uint64_t tested, std::uint64_t most, double share) {
    // Not 0.05 * 20 = 1.0000000000000002 or its like: a share of whole genes is rounded down.
    auto const part = static_cast<std::uint64_t>(std::floor(share * static_cast<double>(tested) + 1e-9));
    return std::min(tested, std::max<std::uint64_t>(1, std::min(most, part)));
}

std::vector<std::uint32_t> top_indices(std::span<double const> values, std::uint64_t count) {
    ensure(count <= values.size(), "top_indices: more than there are");
    std::vector<std::uint32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0U);
    auto const end = order.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(order.begin(), end, order.end(), [&](std::uint32_t one, std::uint32_t other) {
        return values[one] != values[other] ? values[one] > values[other] : one < other;
    });
    order.erase(end, order.end());
    return order;
}

std::vector<std::uint32_t> untied_top_indices(std::span<double const> values, std::uint64_t count) {
    auto order = top_indices(values, std::min<std::uint64_t>(count + 1, values.size()));
    if (order.size() > count) {
        double const first_left_out = values[order.back()];
        std::erase_if(order, [&](std::uint32_t i) { return values[i] == first_left_out; });
    }
    std::erase_if(order, [&](std::uint32_t i) { return !(values[i] > 0); });
    return order;
}

double over_representation(std::uint64_t overlap, std::uint64_t drawn, std::uint64_t in_set,
                           std::uint64_t background) {
    ensure(drawn <= background && in_set <= background &&
               background <= std::numeric_limits<std::uint32_t>::max(),
           "over_representation: more drawn or in the set than there are");
    if (overlap > std::min(drawn, in_set)) return 0;
    // At least so many are always in it.
    if (overlap == 0 || overlap + background <= drawn + in_set) return 1;
    boost::math::hypergeometric const distribution(
        static_cast<unsigned>(in_set), static_cast<unsigned>(drawn), static_cast<unsigned>(background));
    return boost::math::cdf(boost::math::complement(distribution, static_cast<unsigned>(overlap - 1)));
}

void benjamini_hochberg(std::span<double> p) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < p.size(); ++i)
        if (!std::isnan(p[i])) order.push_back(i);
    std::ranges::sort(order, {}, [&](std::size_t i) { return p[i]; });
    auto const tests = static_cast<double>(order.size());
    double least = 1;
    for (std::size_t rank = order.size(); rank > 0; --rank) {
        auto& one = p[order[rank - 1]];
        least = std::min(least, one * tests / static_cast<double>(rank));
        one = least;
    }
}

}  // namespace mpira::jobs
