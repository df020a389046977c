#include "mpira/train/holdout.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::train {

namespace {

using genome::HeldOutInterval;

// The intervals with the margin around them.
std::vector<HeldOutInterval> widened(std::span<HeldOutInterval const> intervals, std::int64_t margin_bp) {
    std::vector<HeldOutInterval> wide(intervals.begin(), intervals.end());
    for (auto& interval : wide) {
        interval.start = std::max<std::int64_t>(0, interval.start - margin_bp);
        if (interval.end != HeldOutInterval::kWhole) interval.end += margin_bp;
    }
    return wide;
}

// For messages: not all of them where a fold file has thousands.
std::string texts_of(std::span<HeldOutInterval const> intervals) {
    constexpr std::size_t kMost = 10;
    std::string some;
    for (auto const& interval : intervals.first(std::min(kMost, intervals.size())))
        some += (some.empty() ? "" : ", ") + genome::to_text(interval);
    if (intervals.size() > kMost) some += fmt::format(" and {} more", intervals.size() - kMost);
    return some;
}

// What every row of the table lies in, and so what it is for in a cell type.
class RowUses {
public:
    RowUses(genome::RegionColumns const& regions, Holdout const& holdout)
        : regions_(regions), holdout_(holdout) {
        require(holdout.margin_bp >= 0, "holdout.margin_bp is negative");
        using genome::Belongs;
        in_test_ = genome::held_out_rows(regions, holdout.test, Belongs::centre);
        in_validation_ = genome::held_out_rows(regions, holdout.validation, Belongs::centre);
        if (!holdout.train.empty()) {
            in_train_ = genome::held_out_rows(regions, holdout.train, Belongs::centre);
        }
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
        bool const train_type = holdout_.train_cell_types.empty() || named(holdout_.train_cell_types);
        require(!test_type || !validation_type,
                fmt::format("the cell type {} is in the test and in the validation set", cell_type));
        std::vector<Use> uses(regions_.size());
        for (std::size_t row = 0; row < uses.size(); ++row) {
            uses[row] = of(row, test_type, validation_type);
            bool const in_train = train_type && (in_train_.empty() || in_train_[row] != 0);
            if (uses[row] == Use::train && !in_train) uses[row] = Use::edge;
        }
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
    std::vector<std::uint8_t> in_train_;  ///< empty: all are
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
    bool const everywhere = holdout.train.empty() && holdout.train_cell_types.empty();
    require(any(Use::train),
            everywhere
                ? "every region is held out: none is left to train on"
                : "no region is left to train on: those of the training set are held out, or too near");
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
    for (auto const* const set :
         {&holdout.test_cell_types, &holdout.validation_cell_types, &holdout.train_cell_types}) {
        for (auto const& name : *set) {
            require(std::find(names.begin(), names.end(), name) != names.end(),
                    fmt::format("the {} cell type '{}' isn't among those of this run{}; there are {}",
                                set == &holdout.train_cell_types ? "training" : "held-out", name,
                                text::did_you_mean(name, names), fmt::join(names, ", ")));
        }
    }
    RowUses const row_uses(regions, holdout);
    PlaceSplit split;
    split.uses.reserve(rows.size());
    for (auto const& [name, places, purpose] : cell_types) {
        auto uses = row_uses.in(name);
        for (auto& use : uses) {
            bool const trains = purpose == Purpose::training || purpose == Purpose::augmentation;
            bool const wanted = purpose == Purpose::all || trains == (use == Use::train);
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
