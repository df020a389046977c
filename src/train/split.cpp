#include "mpira/train/split.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/train/fold_file.hpp"

namespace mpira::train {
namespace {

using genome::ChromSizes;
using genome::HeldOutInterval;
using genome::Region;

void count(SplitUnit& unit, Region const& piece) {
    unit.bases += piece.length();
    unit.pieces.push_back(piece);
}

/// Ascending, apart and not touching.
std::vector<Region> joined(std::vector<Region> pieces) {
    std::ranges::sort(pieces);
    std::vector<Region> apart;
    for (auto const& piece : pieces) {
        if (!apart.empty() && apart.back().chrom == piece.chrom && piece.start <= apart.back().end) {
            apart.back().end = std::max(apart.back().end, piece.end);
        } else {
            apart.push_back(piece);
        }
    }
    return apart;
}

/// The pieces with the margin around them, inside their chromosomes.
std::vector<Region> widened(std::vector<Region> pieces, std::int64_t margin_bp, ChromSizes const& chroms) {
    for (auto& piece : pieces) {
        auto const length = chroms.length(piece.chrom);
        piece.start = std::max<std::int64_t>(0, piece.start - margin_bp);
        piece.end = length - piece.end > margin_bp ? piece.end + margin_bp : length;
    }
    return joined(std::move(pieces));
}

/// What of `whole` is not in `taken`; both as joined() gives them.
std::vector<Region> without(std::vector<Region> const& whole, std::vector<Region> const& taken) {
    std::vector<Region> left;
    auto next = taken.begin();
    for (auto piece : whole) {
        while (next != taken.end() && std::tie(next->chrom, next->end) <= std::tie(piece.chrom, piece.start))
            ++next;
        for (auto cut = next; cut != taken.end() && cut->chrom == piece.chrom && cut->start < piece.end;
             ++cut) {
            if (cut->start > piece.start) left.push_back({piece.chrom, piece.start, cut->start});
            piece.start = std::min(cut->end, piece.end);
        }
        if (piece.start < piece.end) left.push_back(piece);
    }
    return left;
}

/// A whole chromosome by its name, as ChromBPNet has it; a name with a colon would be read as an interval.
std::vector<HeldOutInterval> intervals_of(std::vector<Region> const& pieces, ChromSizes const& chroms) {
    std::vector<HeldOutInterval> intervals;
    for (auto const& piece : pieces) {
        auto const& name = chroms.name(piece.chrom);
        bool const whole = piece.start == 0 && piece.end == chroms.length(piece.chrom);
        if (whole && name.find(':') == std::string::npos) {
            intervals.push_back({name});
        } else {
            intervals.push_back({name, piece.start, piece.end});
        }
    }
    return intervals;
}

std::vector<Region> whole_genome(ChromSizes const& chroms) {
    std::vector<Region> whole;
    for (std::size_t chrom = 0; chrom < chroms.size(); ++chrom) {
        whole.push_back({static_cast<std::int32_t>(chrom), 0, chroms.lengths()[chrom]});
    }
    return whole;
}

/// A fold a unit; `fill` puts the unit and the one that validates (or null) into its sets, and says whether
/// anything is left to train on.
std::vector<Fold> folds_of(
    std::vector<SplitUnit> const& units, SplitRules const& rules,
    std::function<bool(SplitUnit const& test, SplitUnit const* valid, Holdout& fold)> const& fill) {
    std::size_t const fewest = rules.validates ? 3 : 2;
    require(units.size() >= fewest,
            fmt::format("{} folds are needed at least ({}), and there {} {}{}", fewest,
                        rules.validates ? "one is tested, one validates, the rest is trained on"
                                        : "one is tested, the rest is trained on",
                        units.size() == 1 ? "is" : "are", units.size(),
                        rules.validates && units.size() == 2 ? "; --no-valid does without validation" : ""));
    std::vector<Fold> folds;
    std::set<std::string> names;
    for (std::size_t i = 0; i < units.size(); ++i) {
        auto const name = as_file_name(units[i].name);
        require(names.insert(name).second,
                fmt::format("two folds would both be called {}.json; rename '{}'", name, units[i].name));
        auto const* const valid = rules.validates ? &units[(i + 1) % units.size()] : nullptr;
        Holdout fold;
        bool const trains = fill(units[i], valid, fold);
        char const* const empty = !fold.has_test()                             ? "test"
                                  : valid != nullptr && !fold.has_validation() ? "validation"
                                  : !trains                                    ? "training"
                                                                               : nullptr;
        require(empty == nullptr, fmt::format("fold {}: nothing is left in its {} set; fewer folds, longer "
                                              "blocks or a smaller margin leave more",
                                              name, empty == nullptr ? "" : empty));
        auto intervals = fold.test;
        folds.push_back({.name = name, .intervals = std::move(intervals), .file = std::move(fold)});
    }
    return folds;
}

}  // namespace

SplitGenome SplitGenome::of(genome::RegionColumns const& regions) {
    std::vector<std::int64_t> furthest(regions.chrom_names.size(), 0);
    for (std::uint64_t row = 0; row < regions.size(); ++row) {
        auto& end = furthest[static_cast<std::size_t>(regions.chrom[row])];
        end = std::max(end, regions.end[row]);
    }
    std::vector<std::string> names;
    std::vector<std::int64_t> lengths;
    for (std::size_t chrom = 0; chrom < furthest.size(); ++chrom) {
        if (furthest[chrom] == 0) continue;
        names.push_back(regions.chrom_names[chrom]);
        lengths.push_back(furthest[chrom]);
    }
    return of(regions, ChromSizes(std::move(names), std::move(lengths)));
}

SplitGenome SplitGenome::of(genome::RegionColumns const& regions, ChromSizes chroms) {
    SplitGenome genome{.chroms = std::move(chroms), .regions = {}};
    std::vector<std::int32_t> numbers;
    for (auto const& name : regions.chrom_names) numbers.push_back(genome.chroms.find(name).value_or(-1));
    for (std::uint64_t row = 0; row < regions.size(); ++row) {
        auto const& name = regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])];
        auto const chrom = numbers[static_cast<std::size_t>(regions.chrom[row])];
        auto const label = [&] {
            return fmt::format("{}:{}-{}", name, regions.start[row], regions.end[row]);
        };
        require(chrom >= 0, fmt::format("the chromosome sizes lack '{}'{}; the region {} lies there", name,
                                        text::chromosome_hint(name, genome.chroms.names()), label()));
        require(regions.end[row] <= genome.chroms.length(chrom),
                fmt::format("the region {} ends past {}, which has {} bp in the chromosome sizes; is it the "
                            "same assembly?",
                            label(), name, genome.chroms.length(chrom)));
        genome.regions.push_back({chrom, regions.start[row], regions.end[row]});
    }
    return genome;
}

std::vector<SplitUnit> chromosome_units(SplitGenome const& genome) {
    std::vector<SplitUnit> units;
    for (auto const& whole : whole_genome(genome.chroms)) {
        units.push_back({.name = genome.chroms.name(whole.chrom), .pieces = {}});
        count(units.back(), whole);
    }
    for (auto const& region : genome.regions) ++units[static_cast<std::size_t>(region.chrom)].regions;
    return units;
}

std::vector<SplitUnit> block_units(SplitGenome const& genome, std::int64_t block_bp) {
    genome::Bins const bins(genome.chroms, block_bp);
    std::vector<std::uint32_t> each(bins.size());
    std::iota(each.begin(), each.end(), 0U);
    auto units = component_units(genome, bins, each, bins.size());
    for (auto& unit : units) {
        auto const& piece = unit.pieces.front();
        unit.name = fmt::format("{}_block{}", genome.chroms.name(piece.chrom), piece.start / block_bp);
    }
    return units;
}

std::vector<SplitUnit> component_units(SplitGenome const& genome, genome::Bins const& bins,
                                       std::vector<std::uint32_t> const& components, std::uint32_t number) {
    ensure(components.size() == bins.size(), "one component a bin");
    std::vector<SplitUnit> units(number);
    for (std::uint32_t bin = 0; bin < bins.size(); ++bin) {
        count(units[components[bin]], bins.region(bin));
    }
    for (auto const& region : genome.regions) {
        ++units[components[bins.at(region.chrom, region.centre())]].regions;
    }
    for (std::uint32_t i = 0; i < number; ++i) units[i].name = fmt::format("component_{}", i);
    return units;
}

std::vector<SplitUnit> cell_type_units(std::vector<std::string> const& names) {
    std::vector<SplitUnit> units;
    for (auto const& name : names) units.push_back({.name = name, .pieces = {}, .cell_types = {name}});
    return units;
}

std::vector<std::size_t> deal(std::vector<SplitUnit> const& units, std::size_t folds) {
    ensure(folds > 0, "no folds to deal over");
    std::vector<std::size_t> order(units.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    auto const amount = [](SplitUnit const& unit) { return std::tuple(unit.regions, unit.bases); };
    std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return amount(units[i]); });
    struct Load {
        std::uint64_t regions = 0;
        std::int64_t bases = 0;
        std::size_t units = 0;
    };
    std::vector<Load> loads(folds);
    std::vector<std::size_t> fold_of(units.size());
    for (auto const unit : order) {
        auto const lightest = std::ranges::min_element(
            loads, {}, [](Load const& load) { return std::tuple(load.regions, load.bases, load.units); });
        lightest->regions += units[unit].regions;
        lightest->bases += units[unit].bases;
        ++lightest->units;
        fold_of[unit] = static_cast<std::size_t>(lightest - loads.begin());
    }
    return fold_of;
}

std::vector<SplitUnit> merged(std::vector<SplitUnit> const& units, std::vector<std::size_t> const& fold_of,
                              std::size_t folds) {
    std::vector<SplitUnit> whole(folds);
    for (std::size_t fold = 0; fold < folds; ++fold) whole[fold].name = fmt::format("fold_{}", fold);
    for (std::size_t i = 0; i < units.size(); ++i) {
        auto& fold = whole[fold_of[i]];
        fold.regions += units[i].regions;
        fold.bases += units[i].bases;
        fold.pieces.insert(fold.pieces.end(), units[i].pieces.begin(), units[i].pieces.end());
        fold.cell_types.insert(fold.cell_types.end(), units[i].cell_types.begin(), units[i].cell_types.end());
    }
    for (auto& fold : whole) fold.pieces = joined(std::move(fold.pieces));
    return whole;
}

std::vector<SplitUnit> without_empty(std::vector<SplitUnit> units) {
    auto const has_regions = [](SplitUnit const& unit) { return unit.regions > 0; };
    if (std::ranges::any_of(units, has_regions)) std::erase_if(units, std::not_fn(has_regions));
    return units;
}

std::vector<Fold> make_folds(std::vector<SplitUnit> const& units, ChromSizes const& chroms,
                             SplitRules const& rules) {
    return folds_of(units, rules, [&](SplitUnit const& test, SplitUnit const* valid, Holdout& fold) {
        fold.margin_bp = rules.margin_bp;
        auto held_out = joined(test.pieces);
        fold.test = intervals_of(held_out, chroms);
        if (valid != nullptr) {
            auto const validates = without(joined(valid->pieces), widened(held_out, rules.margin_bp, chroms));
            fold.validation = intervals_of(validates, chroms);
            held_out.insert(held_out.end(), validates.begin(), validates.end());
        }
        auto const near = widened(std::move(held_out), rules.margin_bp, chroms);
        fold.train = intervals_of(without(whole_genome(chroms), near), chroms);
        return !fold.train.empty();
    });
}

std::vector<Fold> make_cell_type_folds(std::vector<SplitUnit> const& units, bool validates) {
    return folds_of(units, {.validates = validates},
                    [&](SplitUnit const& test, SplitUnit const* valid, Holdout& fold) {
                        fold.test_cell_types = test.cell_types;
                        if (valid != nullptr) fold.validation_cell_types = valid->cell_types;
                        auto& train = fold.train_cell_types;
                        for (auto const& unit : units) {
                            if (&unit == &test || &unit == valid) continue;
                            train.insert(train.end(), unit.cell_types.begin(), unit.cell_types.end());
                        }
                        return !train.empty();
                    });
}

UseCounts count_uses(SplitGenome const& genome, Fold const& fold) {
    std::vector<std::int32_t> chrom;
    std::vector<std::int64_t> start;
    std::vector<std::int64_t> end;
    for (auto const& region : genome.regions) {
        chrom.push_back(region.chrom);
        start.push_back(region.start);
        end.push_back(region.end);
    }
    std::vector<std::uint32_t> all(genome.regions.size());
    std::iota(all.begin(), all.end(), 0U);
    UseCounts counts;
    try {
        for (auto const use :
             assign_uses({genome.chroms.names(), chrom, start, end}, all, fold.file.value())) {
            switch (use) {
                case Use::test:
                    ++counts.test;
                    break;
                case Use::validation:
                    ++counts.validation;
                    break;
                case Use::train:
                    ++counts.train;
                    break;
                case Use::edge:
                    ++counts.none;
            }
        }
    } catch (Error const& error) {
        if (error.origin() != Origin::usage) throw;
        fail_usage(fmt::format("fold {}: {}", fold.name, error.what()));
    }
    return counts;
}

}  // namespace mpira::train
