#include "mpira/train/holdout.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::train {

namespace {

using genome::HeldOutInterval;

bool overlap(HeldOutInterval const& a, HeldOutInterval const& b) {
    if (a.chrom != b.chrom) return false;
    bool const a_before = a.end != HeldOutInterval::kWhole && a.end <= b.start;
    bool const b_before = b.end != HeldOutInterval::kWhole && b.end <= a.start;
    return !a_before && !b_before;
}

// The intervals with the margin around them.
std::vector<HeldOutInterval> widened(std::span<HeldOutInterval const> intervals, std::int64_t margin_bp) {
    std::vector<HeldOutInterval> wide(intervals.begin(), intervals.end());
    for (auto& interval : wide) {
        interval.start = std::max<std::int64_t>(0, interval.start - margin_bp);
        if (interval.end != HeldOutInterval::kWhole) interval.end += margin_bp;
    }
    return wide;
}

std::string texts_of(std::span<HeldOutInterval const> intervals) {
    std::string all;
    for (auto const& interval : intervals) all += (all.empty() ? "" : ", ") + genome::to_text(interval);
    return all;
}

}  // namespace

std::vector<Fold> read_folds(std::filesystem::path const& file) {
    std::ifstream in(file);
    require(in.good(), fmt::format("{}: this table of folds can't be opened", file.string()));
    std::vector<Fold> folds;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        if (line.ends_with('\r')) line.pop_back();
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        auto const bad = fmt::format(
            "{}:{}: expected fold, chromosome, start and end (0-based, half-open), separated by tabs",
            file.string(), number);
        require(fields.size() >= 4 && !fields[0].empty() && !fields[1].empty(), bad);
        auto const start = text::to_integer(fields[2]).value_or(-1);
        auto const end = text::to_integer(fields[3]).value_or(-1);
        require(start >= 0 && start < end, bad);
        std::string const name(fields[0]);
        HeldOutInterval interval{std::string(fields[1]), start, end};
        for (auto const& fold : folds) {
            for (auto const& other : fold.intervals) {
                require(!overlap(interval, other),
                        fmt::format("{}:{}: {} of fold {} overlaps {} of fold {}", file.string(), number,
                                    genome::to_text(interval), name, genome::to_text(other), fold.name));
            }
        }
        auto const at =
            std::find_if(folds.begin(), folds.end(), [&](Fold const& fold) { return fold.name == name; });
        if (at == folds.end()) {
            folds.push_back({name, {std::move(interval)}});
        } else {
            at->intervals.push_back(std::move(interval));
        }
    }
    require(!folds.empty(), fmt::format("{}: no fold in this table", file.string()));
    return folds;
}

std::size_t find_fold(std::span<Fold const> folds, std::string const& name, std::string const& where) {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < folds.size(); ++i) {
        if (folds[i].name == name) return i;
        known.push_back(folds[i].name);
    }
    fail_usage(fmt::format("{}: no fold '{}'{}; there are {}", where, name, text::did_you_mean(name, known),
                           fmt::join(known, ", ")));
}

std::vector<Use> assign_uses(genome::RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                             Holdout const& holdout) {
    require(holdout.margin_bp >= 0, "holdout.margin_bp is negative");
    using genome::Belongs;
    auto const in_test = genome::held_out_rows(regions, holdout.test, Belongs::centre);
    auto const in_validation = genome::held_out_rows(regions, holdout.validation, Belongs::centre);
    auto const near_test =
        genome::held_out_rows(regions, widened(holdout.test, holdout.margin_bp), Belongs::overlap);
    auto const near_validation =
        genome::held_out_rows(regions, widened(holdout.validation, holdout.margin_bp), Belongs::overlap);

    std::vector<Use> uses(chosen.size(), Use::train);
    std::uint64_t test = 0;
    std::uint64_t validation = 0;
    std::uint64_t train = 0;
    for (std::size_t place = 0; place < chosen.size(); ++place) {
        auto const row = chosen[place];
        require(in_test[row] == 0 || in_validation[row] == 0,
                fmt::format("the region {}:{}-{} is in the test and in the validation set",
                            regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])],
                            regions.start[row], regions.end[row]));
        if (in_test[row] != 0) {
            uses[place] = Use::test;
            ++test;
        } else if (in_validation[row] != 0) {
            uses[place] = near_test[row] != 0 ? Use::edge : Use::validation;
            validation += uses[place] == Use::validation ? 1 : 0;
        } else if (near_test[row] != 0 || near_validation[row] != 0) {
            uses[place] = Use::edge;
        } else {
            ++train;
        }
    }
    require(holdout.test.empty() || test > 0,
            fmt::format("no region has its centre in the held-out {}", texts_of(holdout.test)));
    require(holdout.validation.empty() || validation > 0,
            fmt::format("no region has its centre in the validation set {}", texts_of(holdout.validation)));
    require(train > 0, "every region is held out: none is left to train on");
    return uses;
}

std::vector<genome::PlaceRange> runs_of(genome::RegionColumns const& regions,
                                        std::span<std::uint32_t const> chosen, std::span<Use const> uses,
                                        Use use) {
    ensure(chosen.size() == uses.size(), "one use a chosen row");
    std::vector<std::uint8_t> excluded(regions.size(), 1);
    for (std::size_t place = 0; place < chosen.size(); ++place) {
        if (uses[place] == use) excluded[chosen[place]] = 0;
    }
    return genome::segments(regions, chosen, excluded);
}

}  // namespace mpira::train
