// regions: peak sets to one set of regions, the rows of an atlas.
#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/genome/peak_union.hpp"
#include "mpira/store/text_output.hpp"

namespace mpira::cli {
namespace {

/// "Kc" of "peaks/Kc.narrowPeak.gz".
std::string name_of(std::filesystem::path file) {
    if (file.extension() == ".gz" || file.extension() == ".bgz") file = file.stem();
    return file.stem().string();
}

genome::PeakSet read_set(std::filesystem::path const& file, genome::ChromSizes const& chroms) {
    genome::PeakSet set{name_of(file), genome::read_bed(file, chroms, genome::Duplicates::differ_by_summit)};
    require(set.name.find_first_of(",\t ") == std::string::npos,
            fmt::format(
                "{}: '{}' names its regions' origin, so commas and blanks can't be in it; rename the file",
                file.string(), set.name));
    log::info("{}: {}", file.string(), set.peaks.report.describe());
    return set;
}

void require_distinct(std::vector<genome::PeakSet> const& sets) {
    std::vector<std::string> names;
    for (auto const& set : sets) names.push_back(set.name);
    std::ranges::sort(names);
    auto const twice = std::ranges::adjacent_find(names);
    require(twice == names.end(), twice == names.end()
                                      ? ""
                                      : fmt::format("two files are called '{}', which names their "
                                                    "regions' origin; rename one",
                                                    *twice));
}

std::string percent(std::int64_t part, std::size_t whole) {
    return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

int join_regions(CommandLine const& line) {
    auto const& options = line.regions;
    auto const chroms = genome::ChromSizes::read(options.chrom_sizes);
    std::vector<genome::PeakSet> sets;
    for (auto const& file : options.peaks) sets.push_back(read_set(file, chroms));
    if (!options.onto.empty()) sets.push_back(read_set(options.onto, chroms));
    require_distinct(sets);
    auto const training = options.onto.empty() ? genome::PeakSet{} : std::move(sets.back());
    if (!options.onto.empty()) sets.pop_back();

    store::TextOutput out(line.output, line.overwrite);
    auto joint = options.width_bp > 0 ? genome::fixed_width_peaks(sets, chroms, options.width_bp)
                                      : genome::merged_peaks(sets);
    if (joint.too_short > 0) {
        log::warning("{} peaks left out: their chromosome is shorter than {} bp", joint.too_short,
                     options.width_bp);
    }
    if (!options.onto.empty()) {
        genome::OntoReport report;
        joint = genome::joined_onto(training, joint, report);
        fmt::print(
            "{}: {} regions kept; of {} new ones {} overlap them and take their coordinates, {} are "
            "appended, {} of the result\n",
            training.name, training.peaks.regions.size(), report.known + report.appended, report.known,
            report.appended, percent(report.appended, joint.regions.size()));
    }
    for (std::size_t i = 0; i < joint.regions.size(); ++i) {
        auto const& region = joint.regions[i];
        out.write(fmt::format("{}\t{}\t{}\t{}\n", chroms.name(region.chrom), region.start, region.end,
                              joint.origins[i]));
    }
    out.place();
    fmt::print(
        "{}: {} regions of {} peaks in {} files\n", line.output.string(), joint.regions.size(),
        [&] {
            std::size_t peaks = training.peaks.regions.size();
            for (auto const& set : sets) peaks += set.peaks.regions.size();
            return peaks;
        }(),
        sets.size() + (options.onto.empty() ? 0 : 1));
    return 0;
}

}  // namespace mpira::cli
