// split: what is held out, as fold files.
#include "mpira/train/split.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/store/text_output.hpp"
#include "mpira/train/fold_file.hpp"

namespace mpira::cli {
namespace {

using train::Fold;
using train::SplitGenome;
using train::SplitUnit;

/// An option of one design is an error with another: it would do nothing.
void refuse_others(CommandLine const& line) {
    auto const& options = line.split;
    auto const only = [&](bool given, char const* option, std::string_view designs) {
        require(!given || designs.find(options.by) != std::string_view::npos,
                fmt::format("{} does nothing with --by {}; it is of {}", option, options.by, designs));
    };
    SplitOptions const defaults;
    only(options.block_bp != defaults.block_bp, "--block-bp", "block and homology");
    only(options.margin_bp != 0, "--margin-bp", "chromosome, block and homology");
    only(!options.regions.empty(), "--regions", "chromosome, block and homology");
    only(!options.chrom_sizes.empty(), "--chrom-sizes", "chromosome, block and homology");
    only(!options.alignment.empty(), "--alignment", "homology");
    only(options.min_aligned_bp != defaults.min_aligned_bp, "--min-aligned-bp", "homology");
    only(!options.query_chrom_sizes.empty(), "--query-chrom-sizes", "homology");
    only(!options.query_output.empty(), "--query-output", "homology");
    only(!options.cell_types.empty(), "--cell-types", "cell_type");
    require(options.query_chrom_sizes.empty() == options.query_output.empty(),
            "--query-chrom-sizes (the second genome) and --query-output (its fold files) go together");
    require(options.query_output.empty() ||
                options.query_output.lexically_normal() != line.output.lexically_normal(),
            "--query-output is --output; the second genome's fold files need a folder of their own");
    if (options.by != "homology") return;
    require(!options.alignment.empty(),
            "--by homology needs --alignment: a chain or net file of the genome with itself, or another one");
    require(options.folds > 0, "--by homology needs --folds: a component of blocks is no fold by itself");
    require(!options.chrom_sizes.empty(),
            "--by homology needs --chrom-sizes: the alignment is held against them");
}

SplitGenome genome_of(SplitOptions const& options) {
    require(options.atlas.empty() || options.regions.empty(), "give one of --atlas and --regions");
    std::optional<genome::ChromSizes> chroms;
    if (!options.chrom_sizes.empty()) chroms = genome::ChromSizes::read(options.chrom_sizes);
    if (!options.atlas.empty()) {
        auto const atlas = atlas::Atlas::open(options.atlas);
        return chroms ? SplitGenome::of(atlas.regions(), std::move(*chroms))
                      : SplitGenome::of(atlas.regions());
    }
    require(chroms.has_value(), options.regions.empty()
                                    ? "what is to be split? give --atlas, or --chrom-sizes"
                                    : "--regions needs --chrom-sizes");
    SplitGenome genome{.chroms = std::move(*chroms), .regions = {}};
    if (!options.regions.empty()) genome.regions = genome::read_bed(options.regions, genome.chroms).regions;
    return genome;
}

/// What a design makes: the units that become folds, of one genome or two.
struct Split {
    SplitGenome genome;
    std::vector<SplitUnit> units;
    std::optional<SplitGenome> query;
    std::vector<SplitUnit> query_units;
};

/// The fold of each unit.
std::vector<std::size_t> dealt(std::vector<SplitUnit> const& units, std::size_t folds) {
    require(folds <= units.size(),
            fmt::format("--folds {}: there are only {} to deal over them", folds, units.size()));
    return train::deal(units, folds);
}

void make_units(Split& split, std::int64_t number) {
    if (number == 0) {
        split.units = train::without_empty(std::move(split.units));
        return;
    }
    auto const folds = static_cast<std::size_t>(number);
    auto both = split.units;
    for (std::size_t i = 0; i < split.query_units.size(); ++i) both[i].bases += split.query_units[i].bases;
    auto const fold_of = dealt(both, folds);
    split.units = train::merged(split.units, fold_of, folds);
    if (split.query) split.query_units = train::merged(split.query_units, fold_of, folds);
}

Split split_by_place(SplitOptions const& options) {
    Split split{.genome = genome_of(options), .units = {}, .query = {}, .query_units = {}};
    split.units = options.by == "block" ? train::block_units(split.genome, options.block_bp)
                                        : train::chromosome_units(split.genome);
    return split;
}

Split split_by_homology(SplitOptions const& options) {
    Split split{.genome = genome_of(options), .units = {}, .query = {}, .query_units = {}};
    if (!options.query_chrom_sizes.empty()) {
        split.query.emplace(
            SplitGenome{.chroms = genome::ChromSizes::read(options.query_chrom_sizes), .regions = {}});
    }
    auto const& chroms = split.genome.chroms;
    auto const homology =
        genome::homologous_bins(options.alignment, chroms, split.query ? &split.query->chroms : nullptr,
                                options.block_bp, options.min_aligned_bp);
    fmt::print("{}: {}\n", options.alignment.string(), homology.describe());
    split.units = train::component_units(split.genome, genome::Bins(chroms, options.block_bp),
                                         homology.target, homology.components);
    if (split.query) {
        split.query_units =
            train::component_units(*split.query, genome::Bins(split.query->chroms, options.block_bp),
                                   homology.query, homology.components);
    }
    return split;
}

std::vector<SplitUnit> cell_types_of(SplitOptions const& options) {
    auto names = options.cell_types;
    if (!options.atlas.empty()) {
        auto const atlas = atlas::Atlas::open(options.atlas);
        auto const& known = atlas.cell_types();
        for (auto const& name : names) {
            require(atlas.has_cell_type(name),
                    fmt::format("--cell-types: {} has no cell type '{}'{}", options.atlas.string(), name,
                                text::did_you_mean(name, known)));
        }
        if (names.empty()) names = known;
    }
    require(!names.empty(), "--by cell_type needs --cell-types, or an --atlas that has some");
    auto sorted = names;
    std::ranges::sort(sorted);
    auto const twice = std::ranges::adjacent_find(sorted);
    require(twice == sorted.end(),
            fmt::format("--cell-types: '{}' is there twice", twice == sorted.end() ? "" : *twice));
    return train::cell_type_units(names);
}

/// Bases of the intervals, without regions to count.
std::string megabases(std::vector<genome::HeldOutInterval> const& intervals,
                      genome::ChromSizes const& chroms) {
    std::int64_t bases = 0;
    for (auto const& [chrom, start, end] : intervals) {
        bases += (end == genome::HeldOutInterval::kWhole ? chroms.length(chroms.find(chrom).value()) : end) -
                 start;
    }
    return fmt::format("{:.3f} Mb", static_cast<double>(bases) / 1e6);
}

/// What is in each set, for people.
std::string contents(SplitGenome const* genome, Fold const& fold) {
    auto const& file = fold.file.value();
    if (genome == nullptr) {
        return fmt::format("test {} cell types, valid {}, train {}", file.test_cell_types.size(),
                           file.validation_cell_types.size(), file.train_cell_types.size());
    }
    if (!genome->regions.empty()) {
        auto const counts = train::count_uses(*genome, fold);
        return fmt::format("test {} regions, valid {}, train {}, in none {}", counts.test, counts.validation,
                           counts.train, counts.none);
    }
    return fmt::format("test {}, valid {}, train {}", megabases(file.test, genome->chroms),
                       megabases(file.validation, genome->chroms), megabases(file.train, genome->chroms));
}

nlohmann::json design_of(SplitOptions const& options) {
    nlohmann::json design{{"by", options.by}};
    if (options.folds > 0) design["folds"] = options.folds;
    if (options.by == "block" || options.by == "homology") design["block_bp"] = options.block_bp;
    if (options.by == "homology") {
        design["alignment"] = options.alignment.filename().string();
        design["min_aligned_bp"] = options.min_aligned_bp;
    }
    return design;
}

/// The folds, checked; nothing is there under its name before place().
store::TextFolder written(std::filesystem::path const& output, std::vector<Fold> const& folds,
                          SplitGenome const* genome, CommandLine const& line, std::string& report) {
    store::TextFolder folder(output, line.overwrite);
    auto const design = design_of(line.split);
    for (auto const& fold : folds) {
        auto const name = fold.name + ".json";
        report += fmt::format("{}: {}\n", (output / name).string(), contents(genome, fold));
        folder.add(name, train::fold_file_text(fold.file.value(), design));
    }
    return folder;
}

}  // namespace

int split(CommandLine const& line) {
    auto const& options = line.split;
    refuse_others(line);
    for (auto const& folder : {line.output, options.query_output}) {
        refuse_input_as_output(folder, std::array{options.atlas, options.regions, options.chrom_sizes,
                                                  options.alignment, options.query_chrom_sizes});
    }
    std::string report;
    if (options.by == "cell_type") {
        auto units = cell_types_of(options);
        if (options.folds > 0) {
            auto const folds = static_cast<std::size_t>(options.folds);
            units = train::merged(units, dealt(units, folds), folds);
        }
        auto const folds = train::make_cell_type_folds(units, !options.no_valid);
        written(line.output, folds, nullptr, line, report).place();
        fmt::print("{}", report);
        return 0;
    }
    auto split = options.by == "homology" ? split_by_homology(options) : split_by_place(options);
    make_units(split, options.folds);
    train::SplitRules const rules{.margin_bp = options.margin_bp, .validates = !options.no_valid};
    auto const folds = train::make_folds(split.units, split.genome.chroms, rules);
    auto folder = written(line.output, folds, &split.genome, line, report);
    if (split.query) {
        auto const query = train::make_folds(split.query_units, split.query->chroms, rules);
        written(options.query_output, query, &*split.query, line, report).place();
    }
    folder.place();
    fmt::print("{}", report);
    return 0;
}

}  // namespace mpira::cli
