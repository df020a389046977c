// regions: peak sets to one set of regions, the rows of an atlas.
#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/genome/fasta.hpp"
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

/// Leaves out regions of which the genome doesn't say enough: features there would be those of a gap.
void leave_out_gaps(genome::PeakUnion& joint, genome::ChromSizes const& chroms,
                    RegionsOptions const& options) {
    genome::Fasta fasta(options.genome);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < joint.regions.size(); ++i) {
        auto const& region = joint.regions[i];
        auto const bases = fasta.fetch(chroms.name(region.chrom), region.start, region.end);
        if (std::ranges::count(bases, 'N') > options.max_unknown_bp) continue;
        joint.regions[kept] = region;
        std::swap(joint.origins[kept], joint.origins[i]);  // where both are one, a move would empty it
        ++kept;
    }
    auto const found = joint.regions.size();
    require(kept > 0, fmt::format("{}: each of the {} regions has more than {} unknown bases (N) there",
                                  options.genome.string(), found, options.max_unknown_bp));
    fmt::print("{}: {} of {} regions left out, each with more than {} unknown bases (N)\n",
               options.genome.string(), found - kept, found, options.max_unknown_bp);
    joint.regions.resize(kept);
    joint.origins.resize(kept);
}

}  // namespace

int join_regions(CommandLine const& line) {
    auto const& options = line.regions;
    refuse_input_as_output(line.output, options.peaks);
    refuse_input_as_output(line.output, std::array{options.chrom_sizes, options.onto, options.genome});
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
    require(!joint.regions.empty(),
            fmt::format("--width {}: no chromosome of the peaks is that long, so no region is left",
                        options.width_bp));
    if (!options.genome.empty()) leave_out_gaps(joint, chroms, options);
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
