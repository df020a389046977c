#include <algorithm>
#include <cstdlib>
#include <limits>
#include <tuple>

#include "mpira/base/error.hpp"
#include "mpira/genome/genes.hpp"

namespace mpira::genome {

std::vector<Promoter> promoters_of(Genes const& genes, RegionColumns const& regions, std::int64_t flank_bp) {
    ensure(flank_bp >= 0, "promoters_of: a negative flank");
    // Furthest end so far, per row: where to stop looking left, since regions may contain each other.
    std::vector<std::int64_t> reach(regions.size());
    for (std::size_t row = 0; row < reach.size(); ++row) {
        bool const continues = row > 0 && regions.chrom[row] == regions.chrom[row - 1];
        reach[row] = continues ? std::max(reach[row - 1], regions.end[row]) : regions.end[row];
    }
    std::vector<std::uint32_t> first_start(genes.ids.size(), std::numeric_limits<std::uint32_t>::max());
    struct Hit {
        Promoter promoter;
        std::int64_t distance;
    };
    std::vector<Hit> hits;
    for (std::uint32_t number = 0; number < genes.tss.size(); ++number) {
        auto const& start = genes.tss[number];
        first_start[start.gene] = std::min(first_start[start.gene], number);
        auto const low = start.position - flank_bp;
        auto const high = start.position + flank_bp + 1;  // half-open
        auto const chromosome = std::ranges::equal_range(regions.chrom, start.chrom);
        auto const begin = static_cast<std::size_t>(chromosome.begin() - regions.chrom.begin());
        auto const starts = regions.start.subspan(begin, chromosome.size());
        auto row = begin + static_cast<std::size_t>(std::ranges::lower_bound(starts, high) - starts.begin());
        while (row > begin && reach[row - 1] > low) {
            --row;
            if (regions.end[row] <= low) continue;
            auto const centre = (regions.start[row] + regions.end[row]) / 2;
            hits.push_back({{start.gene, static_cast<std::uint32_t>(row), start.strand, start.position, 1},
                            std::abs(centre - start.position)});
        }
    }
    std::ranges::sort(hits, {}, [&](Hit const& hit) {
        auto const& p = hit.promoter;
        return std::tuple(first_start[p.gene], p.gene, p.row, p.strand, hit.distance, p.position);
    });
    std::vector<Promoter> promoters;
    for (auto const& [one, distance] : hits) {
        if (!promoters.empty()) {
            auto& last = promoters.back();
            if (last.gene == one.gene && last.row == one.row && last.strand == one.strand) {
                ++last.starts;
                continue;
            }
        }
        promoters.push_back(one);
    }
    return promoters;
}

}  // namespace mpira::genome
