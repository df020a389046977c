#include "mpira/model/summary.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/sum.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "summarise.hpp"

namespace mpira::model {
namespace {

/// The rows of `attributions`, `features` wide, over `dimension` into `out`.
void summarise_into(Summary summary, std::span<float const> attributions, std::size_t features,
                    std::int64_t dimension, std::span<float> out) {
    auto const width = static_cast<std::int64_t>(features);
    auto const regions = static_cast<std::int64_t>(attributions.size()) / width;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): from_blob knows no const; it is only read
    auto* const data = const_cast<float*>(attributions.data());
    auto const values = at::from_blob(data, {regions, width}, at::kFloat);
    at::from_blob(out.data(), {std::ssize(out)}, at::kFloat).copy_(summarise(summary, values, dimension));
}

}  // namespace

at::Tensor summarise(Summary summary, at::Tensor const& attributions, std::int64_t dimension) {
    auto const sum = [&](at::Tensor const& values) {
        return at::sum(values, at::IntArrayRef{dimension}, false, at::kDouble);
    };
    auto const count = static_cast<double>(attributions.size(dimension));
    switch (summary) {
        case Summary::sum:
            return sum(attributions);
        case Summary::mean:
            return sum(attributions).div(count);
        case Summary::mean_abs:
            return sum(attributions.abs()).div(count);
        case Summary::l2:
            return sum(attributions.to(at::kDouble).square()).sqrt();
    }
    return {};
}

std::string_view name_of(Summary summary) {
    return kSummaryNames.at(static_cast<std::size_t>(summary));
}

std::vector<Summary> summaries_named(std::span<std::string const> names, std::string_view where) {
    std::vector<Summary> summaries;
    for (auto const& name : names) {
        auto const found = std::ranges::find(kSummaryNames, name);
        if (found == kSummaryNames.end())
            fail_usage(fmt::format("{}: '{}' is no summary{}; known are {}", where, name,
                                   text::did_you_mean(name, kSummaryNames), fmt::join(kSummaryNames, ", ")));
        auto const summary = static_cast<Summary>(found - kSummaryNames.begin());
        if (std::ranges::find(summaries, summary) != summaries.end())
            fail_usage(fmt::format("{}: '{}' is there twice", where, name));
        summaries.push_back(summary);
    }
    return summaries;
}

void over_regions(Summary summary, std::span<float const> attributions, std::span<float> by_feature) {
    summarise_into(summary, attributions, by_feature.size(), 0, by_feature);
}

void over_features(Summary summary, std::span<float const> attributions, std::span<float> by_region) {
    summarise_into(summary, attributions, attributions.size() / by_region.size(), 1, by_region);
}

}  // namespace mpira::model
