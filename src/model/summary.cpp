#include "mpira/model/summary.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::model {
namespace {

/// Summarises `count` values, value i at first[i * step].
float summarise(Summary summary, float const* first, std::size_t count, std::size_t step) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
        auto const value = static_cast<double>(first[i * step]);
        switch (summary) {
            case Summary::sum:
            case Summary::mean:
                sum += value;
                break;
            case Summary::mean_abs:
                sum += std::abs(value);
                break;
            case Summary::l2:
                sum += value * value;
                break;
        }
    }
    if (summary == Summary::l2) return static_cast<float>(std::sqrt(sum));
    return static_cast<float>(summary == Summary::sum ? sum : sum / static_cast<double>(count));
}

}  // namespace

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
    auto const features = by_feature.size();
    for (std::size_t f = 0; f < features; ++f)
        by_feature[f] = summarise(summary, attributions.data() + f, attributions.size() / features, features);
}

void over_features(Summary summary, std::span<float const> attributions, std::span<float> by_region) {
    auto const features = attributions.size() / by_region.size();
    for (std::size_t r = 0; r < by_region.size(); ++r)
        by_region[r] = summarise(summary, attributions.data() + r * features, features, 1);
}

}  // namespace mpira::model
