#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/train/settings.hpp"

namespace mpira::train {

namespace {

using genome::HeldOutInterval;

// The interval of the same length next to the held-out one that has a region's centre in it: after it, else
// before it.
HeldOutInterval next_block(Settings const& settings, genome::RegionColumns const& regions,
                           HeldOutInterval const& block) {
    if (block.end == HeldOutInterval::kWhole) {
        settings.refuse("validation.mode",
                        "the block next to a whole chromosome isn't defined; write chromosomes "
                        "in holdout.chromosomes, or give validation.regions");
    }
    auto const length = block.end - block.start;
    for (auto const start : {block.end, block.start - length}) {
        HeldOutInterval candidate{block.chrom, std::max<std::int64_t>(0, start), start + length};
        if (candidate.end <= candidate.start) continue;
        auto const flags = genome::held_out_rows(regions, {&candidate, 1}, genome::Belongs::centre);
        if (std::find(flags.begin(), flags.end(), 1) != flags.end()) return candidate;
    }
    settings.refuse("validation.mode", fmt::format("no region lies next to {}; give validation.regions",
                                                   genome::to_text(block)));
}

std::string next_cell_type(Settings const& settings, std::span<std::string const> all,
                           std::vector<std::string> const& held_out) {
    auto const last = std::find(all.begin(), all.end(), held_out.back()) - all.begin();
    for (std::ptrdiff_t i = 1; i < std::ssize(all); ++i) {
        auto const& candidate = all[static_cast<std::size_t>((last + i) % std::ssize(all))];
        if (std::find(held_out.begin(), held_out.end(), candidate) == held_out.end()) return candidate;
    }
    settings.refuse("validation.mode",
                    "no cell type is left to validate on; set it to \"none\", or give validation.regions");
}

HeldOutInterval next_chromosome(Settings const& settings, genome::RegionColumns const& regions,
                                std::vector<std::string> const& held_out) {
    auto const& names = regions.chrom_names;
    auto const last = std::find(names.begin(), names.end(), held_out.back()) - names.begin();
    for (std::ptrdiff_t i = 1; i < std::ssize(names); ++i) {
        HeldOutInterval candidate{names[static_cast<std::size_t>((last + i) % std::ssize(names))]};
        if (std::find(held_out.begin(), held_out.end(), candidate.chrom) != held_out.end()) continue;
        auto const flags = genome::held_out_rows(regions, {&candidate, 1}, genome::Belongs::centre);
        if (std::find(flags.begin(), flags.end(), 1) != flags.end()) return candidate;
    }
    settings.refuse("validation.mode",
                    "no chromosome is left to validate on; set it to \"none\", or give "
                    "validation.regions");
}

// The intervals on chromosomes that the regions have. A fold file may be made for the whole genome, so some
// may be unknown (chrY); that can't leak, as only what it names is trained on, but all of a set may not.
std::vector<HeldOutInterval> known_ones(std::vector<HeldOutInterval> const& set,
                                        std::span<std::string const> chroms, std::string_view where,
                                        std::vector<std::string>& unknown) {
    std::vector<HeldOutInterval> known;
    for (auto const& interval : set) {
        if (std::ranges::find(chroms, interval.chrom) != chroms.end()) {
            known.push_back(interval);
        } else if (std::ranges::find(unknown, interval.chrom) == unknown.end()) {
            unknown.push_back(interval.chrom);
        }
    }
    require(set.empty() || !known.empty(),
            fmt::format("{}: the atlas has none of these chromosomes, '{}' for example{}; it has {}", where,
                        set.empty() ? "" : set.front().chrom,
                        set.empty() ? "" : text::chromosome_hint(set.front().chrom, chroms),
                        fmt::join(chroms.first(std::min<std::size_t>(chroms.size(), 30)), ", ")));
    return known;
}

void take_fold_file(Settings const& settings, Fold const& fold, std::span<std::string const> chroms,
                    Holdout& holdout) {
    auto const& file = *fold.file;
    auto const set = [&](std::vector<HeldOutInterval> const& intervals, char const* key) {
        return known_ones(intervals, chroms, fmt::format("fold file {}: \"{}\"", fold.name, key),
                          holdout.unknown_chroms);
    };
    holdout.train = set(file.train, "train");
    holdout.test = set(file.test, "test");
    holdout.margin_bp = std::max(holdout.margin_bp, file.margin_bp);
    holdout.train_cell_types = file.train_cell_types;
    if (!file.test_cell_types.empty()) {
        if (!holdout.test_cell_types.empty()) {
            settings.refuse("holdout.cell_types",
                            fmt::format("the fold file {} holds out cell types", fold.name));
        }
        holdout.test_cell_types = file.test_cell_types;
    }
    if (settings.text("validation.mode") != "next") return;
    holdout.validation = set(file.validation, "valid");
    holdout.validation_cell_types = file.validation_cell_types;
    if (!holdout.has_validation()) {
        settings.refuse("validation.mode",
                        fmt::format("the fold file {} has nothing in \"valid\"; set it to \"none\", or to "
                                    "\"regions\" and give validation.regions",
                                    fold.name));
    }
}

}  // namespace

Holdout holdout_of(Settings const& settings, genome::RegionColumns const& regions,
                   std::span<std::string const> all_cell_types) {
    auto const& blocks = settings.texts("holdout.regions");
    auto const& chromosomes = settings.texts("holdout.chromosomes");
    auto const folds_file = settings.path("holdout.folds");
    auto const& fold_name = settings.text("holdout.fold");
    int const ways = (blocks.empty() ? 0 : 1) + (chromosomes.empty() ? 0 : 1) + (folds_file.empty() ? 0 : 1);
    if (ways > 1) {
        settings.refuse("holdout", "give one of holdout.regions, holdout.chromosomes and holdout.folds");
    }
    if (folds_file.empty() && !fold_name.empty()) {
        settings.refuse("holdout.folds", "name the table, fold file or folder that holdout.fold is of");
    }
    auto const where = [&](char const* key) { return fmt::format("{}: {}", settings.source(), key); };

    Holdout holdout{.test = {},
                    .validation = {},
                    .margin_bp = settings.integer("holdout.margin_bp"),
                    .test_cell_types = settings.texts("holdout.cell_types")};
    auto const& mode = settings.text("validation.mode");
    bool const next = mode == "next";
    if (!folds_file.empty()) {
        auto const folds = read_folds(folds_file);
        auto const at = find_fold(folds, fold_name, where("holdout.fold"));
        if (folds[at].file) {
            take_fold_file(settings, folds[at], regions.chrom_names, holdout);
        } else {
            holdout.test = folds[at].intervals;
            if (next && folds.size() < 2) {
                settings.refuse("validation.mode", "the table of folds has only one fold");
            }
            if (next) holdout.validation = folds[(at + 1) % folds.size()].intervals;
        }
    } else if (!chromosomes.empty()) {
        for (auto const& name : chromosomes) holdout.test.push_back({name});
        if (next) holdout.validation = {next_chromosome(settings, regions, chromosomes)};
    } else if (!blocks.empty()) {
        holdout.test = genome::parse_held_out(blocks, where("holdout.regions"));
        if (next) holdout.validation = {next_block(settings, regions, holdout.test.back())};
    } else if (next && !holdout.test_cell_types.empty()) {
        holdout.validation_cell_types = {next_cell_type(settings, all_cell_types, holdout.test_cell_types)};
    } else if (next) {
        settings.refuse("validation.mode",
                        "nothing is held out, so nothing comes next; give "
                        "validation.regions, or set it to \"none\"");
    }
    auto const& given = settings.texts("validation.regions");
    auto const& given_types = settings.texts("validation.cell_types");
    if (mode == "regions") {
        holdout.validation_cell_types = given_types;
    } else if (!given_types.empty()) {
        settings.refuse("validation.cell_types", "goes with validation.mode = \"regions\"");
    }
    if ((mode == "regions") == (given.empty() && given_types.empty())) {
        settings.refuse("validation.regions", mode == "regions"
                                                  ? "is needed with validation.mode = \"regions\""
                                                  : "goes with validation.mode = \"regions\"");
    }
    if (!given.empty()) holdout.validation = genome::parse_held_out(given, where("validation.regions"));
    return holdout;
}

}  // namespace mpira::train
