#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "mpira/base/philox.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/train/table.hpp"

namespace mpira::train::testing {

/// A small genome whose target is a simple function of two features: high where feature 0 is, not where
/// feature 1 is. Everything from Philox.
struct Synthetic {
    explicit Synthetic(std::vector<std::uint64_t> const& regions_per_chrom, std::uint64_t motifs = 8,
                       std::uint64_t outputs = 1) {
        Draws draws(1, Stream::tests, 0);
        for (std::size_t c = 0; c < regions_per_chrom.size(); ++c) {
            chrom_names.push_back("chr" + std::to_string(c + 1));
            std::int64_t at = 0;
            for (std::uint64_t i = 0; i < regions_per_chrom[c]; ++i) {
                at += 1000 + static_cast<std::int64_t>(draws.below(2000));
                chrom.push_back(static_cast<std::int32_t>(c));
                start.push_back(at);
                end.push_back(at + 400 + static_cast<std::int64_t>(draws.below(400)));
                at = end.back();
            }
        }
        for (std::size_t row = 0; row < chrom.size(); ++row) {
            for (std::uint64_t m = 0; m < motifs; ++m) {
                features.push_back(draws.uniform() < 0.3 ? static_cast<float>(10 * draws.uniform()) : 0.0F);
            }
            float const* f = features.data() + row * motifs;
            for (std::uint64_t o = 0; o < outputs; ++o) {
                float const level = f[o] - 0.5F * f[o + 1];
                targets.push_back(outputs == 1 ? (level > 2.0F ? 1.0F : 0.0F) : std::max(0.0F, 0.2F * level));
            }
        }
        table.features = features;
        table.scales.assign(motifs, 10.0F);
        for (std::uint32_t row = 0; row < chrom.size(); ++row) table.rows.push_back(row);
        table.outputs = outputs;
        table.targets = targets;
    }
    Synthetic(Synthetic const&) = delete;
    Synthetic& operator=(Synthetic const&) = delete;

    [[nodiscard]] genome::RegionColumns regions() const { return {chrom_names, chrom, start, end}; }

    std::vector<std::string> chrom_names;
    std::vector<std::int32_t> chrom;
    std::vector<std::int64_t> start;
    std::vector<std::int64_t> end;
    std::vector<float> features;
    std::vector<float> targets;
    TrainingTable table;
};

}  // namespace mpira::train::testing
