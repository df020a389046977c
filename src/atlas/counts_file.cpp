#include "atlas/counts_file.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::atlas {
namespace {

/// That the rows of a file of counts are these regions.
void require_same_regions(store::AnnDataReader const& reader, genome::ChromSizes const& chroms,
                          std::span<genome::Region const> regions) {
    auto const file = reader.file().string();
    auto const chrom = reader.categories("obs/chrom");
    auto const start = reader.integers("obs/start"), end = reader.integers("obs/end");
    require(chrom.codes.size() == regions.size() && start.size() == regions.size() &&
                end.size() == regions.size(),
            fmt::format("{}: counts of {} regions, regions.bed has {}; count them anew", file, start.size(),
                        regions.size()));
    std::vector<std::int32_t> numbers;
    for (auto const& name : chrom.categories) numbers.push_back(chroms.find(name).value_or(-1));
    for (std::size_t row = 0; row < regions.size(); ++row) {
        auto const code = chrom.codes[row];
        auto const on = code < 0 ? -1 : numbers[static_cast<std::size_t>(code)];
        if (genome::Region{on, start[row], end[row]} != regions[row])
            fail_usage(fmt::format("{}: its region {} is {}:{}-{}, that of regions.bed {}; count them anew",
                                   file, row + 1,
                                   code < 0 ? "?" : chrom.categories[static_cast<std::size_t>(code)],
                                   start[row], end[row], chroms.label(regions[row])));
    }
}

}  // namespace

void require_counts(store::AnnDataReader const& reader, genome::ChromSizes const& chroms,
                    std::span<genome::Region const> regions, bool five_prime_ends) {
    auto const file = reader.file().string();
    for (char const* const key :
         {"X", "obs/chrom", "obs/start", "obs/end", "obs/done", "uns/total", "uns/largest"})
        require(reader.contains(key),
                fmt::format("{}: has no {}; a file that `mpira counts` wrote was expected", file, key));
    auto const done = reader.integers("obs/done");
    require(std::ranges::count(done, 1) == std::ssize(done),
            fmt::format("{}: unfinished, {} of {} regions are counted; run that command again to finish it",
                        file, std::ranges::count(done, 1), done.size()));
    bool const has_ends = reader.contains("uns/counted") && reader.text("uns/counted") == "five_prime_ends";
    require(has_ends == five_prime_ends,
            has_ends
                ? fmt::format("{}: counts of 5' ends (cage) are no accessibility; they are expression "
                              "(expression.cage)",
                              file)
                : fmt::format("{}: not of cage: `mpira counts` with the setting cage counts 5' ends", file));
    require_same_regions(reader, chroms, regions);
}

}  // namespace mpira::atlas
