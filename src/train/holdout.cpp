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

namespace {

// What every row of the table lies in, and so what it is for in a cell type.
class RowUses {
public:
    RowUses(genome::RegionColumns const& regions, Holdout const& holdout)
        : regions_(regions), holdout_(holdout) {
        require(holdout.margin_bp >= 0, "holdout.margin_bp is negative");
        using genome::Belongs;
        in_test_ = genome::held_out_rows(regions, holdout.test, Belongs::centre);
        in_validation_ = genome::held_out_rows(regions, holdout.validation, Belongs::centre);
        near_test_ =
            genome::held_out_rows(regions, widened(holdout.test, holdout.margin_bp), Belongs::overlap);
        near_validation_ =
            genome::held_out_rows(regions, widened(holdout.validation, holdout.margin_bp), Belongs::overlap);
        for (std::uint32_t row = 0; row < regions.size(); ++row) {
            require(in_test_[row] == 0 || in_validation_[row] == 0,
                    fmt::format("the region {}:{}-{} is in the test and in the validation set",
                                regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])],
                                regions.start[row], regions.end[row]));
        }
    }

    // The use of every row in one cell type.
    [[nodiscard]] std::vector<Use> in(std::string const& cell_type) const {
        auto const named = [&](std::vector<std::string> const& names) {
            return std::find(names.begin(), names.end(), cell_type) != names.end();
        };
        bool const test_type = named(holdout_.test_cell_types);
        bool const validation_type = named(holdout_.validation_cell_types);
        require(!test_type || !validation_type,
                fmt::format("the cell type {} is in the test and in the validation set", cell_type));
        std::vector<Use> uses(regions_.size());
        for (std::size_t row = 0; row < uses.size(); ++row) uses[row] = of(row, test_type, validation_type);
        return uses;
    }

private:
    [[nodiscard]] Use of(std::size_t row, bool test_type, bool validation_type) const {
        bool const by_place = !holdout_.test.empty();
        bool const by_type = !holdout_.test_cell_types.empty();
        bool const inside = by_place && in_test_[row] != 0;
        if (inside || test_type) {
            bool const scored = (inside || !by_place) && (test_type || !by_type);
            return scored ? Use::test : Use::edge;
        }
        if (near_test_[row] != 0) return Use::edge;
        bool const validation_by_place = !holdout_.validation.empty();
        bool const validation_by_type = !holdout_.validation_cell_types.empty();
        bool const validates = validation_by_place && in_validation_[row] != 0;
        if (validates || validation_type) {
            bool const scored =
                (validates || !validation_by_place) && (validation_type || !validation_by_type);
            return scored ? Use::validation : Use::edge;
        }
        return near_validation_[row] != 0 ? Use::edge : Use::train;
    }

    genome::RegionColumns regions_;
    Holdout const& holdout_;
    std::vector<std::uint8_t> in_test_, in_validation_, near_test_, near_validation_;
};

void require_some_of_each(std::span<Use const> uses, Holdout const& holdout) {
    auto const any = [&](Use use) { return std::find(uses.begin(), uses.end(), use) != uses.end(); };
    auto const where = [](std::span<HeldOutInterval const> intervals, std::vector<std::string> const& types) {
        auto text = texts_of(intervals);
        if (!types.empty()) text += fmt::format("{}{}", text.empty() ? "" : " of ", fmt::join(types, ", "));
        return text;
    };
    require(!holdout.has_test() || any(Use::test), fmt::format("no region has its centre in the held-out {}",
                                                               where(holdout.test, holdout.test_cell_types)));
    require(!holdout.has_validation() || any(Use::validation),
            fmt::format("no region has its centre in the validation set {}",
                        where(holdout.validation, holdout.validation_cell_types)));
    require(any(Use::train), "every region is held out: none is left to train on");
}

// Runs among one cell type's chosen rows. A row of another use ends a run also when it isn't chosen.
std::vector<genome::PlaceRange> runs_among(genome::RegionColumns const& regions,
                                           std::span<std::uint32_t const> chosen,
                                           std::span<Use const> row_uses, Use use) {
    std::vector<std::uint8_t> excluded(regions.size());
    for (std::size_t row = 0; row < regions.size(); ++row) excluded[row] = row_uses[row] == use ? 0 : 1;
    return genome::segments(regions, chosen, excluded);
}

}  // namespace

std::vector<Use> assign_uses(genome::RegionColumns const& regions, std::span<std::uint32_t const> chosen,
                             Holdout const& holdout) {
    ensure(holdout.test_cell_types.empty() && holdout.validation_cell_types.empty(),
           "held-out cell types need split_places");
    auto const of_rows = RowUses(regions, holdout).in({});
    std::vector<Use> uses;
    uses.reserve(chosen.size());
    for (auto const row : chosen) uses.push_back(of_rows[row]);
    require_some_of_each(uses, holdout);
    return uses;
}

std::vector<genome::PlaceRange> runs_of(genome::RegionColumns const& regions,
                                        std::span<std::uint32_t const> chosen, std::span<Use const> uses,
                                        Use use) {
    ensure(chosen.size() == uses.size(), "one use a chosen row");
    // Rows that aren't chosen are of this use, so that windows are made of consecutive chosen regions.
    std::vector<Use> row_uses(regions.size(), use);
    for (std::size_t place = 0; place < chosen.size(); ++place) row_uses[chosen[place]] = uses[place];
    return runs_among(regions, chosen, row_uses, use);
}

PlaceSplit split_places(genome::RegionColumns const& regions, std::span<std::uint32_t const> rows,
                        std::span<CellTypePlaces const> cell_types, Holdout const& holdout) {
    std::vector<CellTypePlaces> const unnamed{{"", {0, rows.size()}}};
    if (cell_types.empty()) cell_types = unnamed;
    std::vector<std::string> names;
    for (auto const& cell_type : cell_types) names.push_back(cell_type.name);
    for (auto const* const held_out : {&holdout.test_cell_types, &holdout.validation_cell_types}) {
        for (auto const& name : *held_out) {
            require(std::find(names.begin(), names.end(), name) != names.end(),
                    fmt::format("the held-out cell type '{}' isn't among those of this run{}; there are {}",
                                name, text::did_you_mean(name, names), fmt::join(names, ", ")));
        }
    }
    RowUses const row_uses(regions, holdout);
    PlaceSplit split;
    split.uses.reserve(rows.size());
    for (auto const& [name, places, purpose] : cell_types) {
        auto uses = row_uses.in(name);
        for (auto& use : uses) {
            bool const wanted =
                purpose == Purpose::all || (purpose == Purpose::training) == (use == Use::train);
            if (!wanted) use = Use::edge;
        }
        auto const chosen = rows.subspan(places.first, places.size());
        for (auto const row : chosen) split.uses.push_back(uses[row]);
        auto const append = [&](std::vector<genome::PlaceRange>& all, Use use) {
            for (auto const [first, end] : runs_among(regions, chosen, uses, use)) {
                all.push_back({places.first + first, places.first + end});
            }
        };
        append(split.train, Use::train);
        append(split.validation, Use::validation);
        append(split.test, Use::test);
    }
    require_some_of_each(split.uses, holdout);
    return split;
}

}  // namespace mpira::train
