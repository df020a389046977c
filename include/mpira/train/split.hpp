#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mpira/genome/homology.hpp"
#include "mpira/genome/regions.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/train/holdout.hpp"

/// Designs of a split (`mpira split`): a genome or its cell types in units that are held out together, dealt
/// over folds. Pure functions; what they make is the same for the same input.
namespace mpira::train {

/// The chromosomes of a split, and the regions that it is counted in. Without regions, bases count.
struct SplitGenome {
    genome::ChromSizes chroms;
    std::vector<genome::Region> regions;  ///< by chroms

    /// Of a table of regions, a chromosome ending where its last region does; those without are left out.
    static SplitGenome of(genome::RegionColumns const& regions);
    /// The same with given sizes. A usage error names a region on another chromosome, or past its end.
    static SplitGenome of(genome::RegionColumns const& regions, genome::ChromSizes chroms);
};

/// What is held out together.
struct SplitUnit {
    std::string name;
    std::vector<genome::Region> pieces;     ///< ascending, apart
    std::vector<std::string> cell_types{};  ///< instead of pieces
    std::uint64_t regions = 0;              ///< with their centre in it
    std::int64_t bases = 0;
};

[[nodiscard]] std::vector<SplitUnit> chromosome_units(SplitGenome const& genome);
/// "chr2R_block3" is [3, 4) x block_bp of chr2R.
[[nodiscard]] std::vector<SplitUnit> block_units(SplitGenome const& genome, std::int64_t block_bp);
/// A unit a component of its bins; `components`: one a bin. Number i of the units is component i.
[[nodiscard]] std::vector<SplitUnit> component_units(SplitGenome const& genome, genome::Bins const& bins,
                                                     std::vector<std::uint32_t> const& components,
                                                     std::uint32_t count);
[[nodiscard]] std::vector<SplitUnit> cell_type_units(std::vector<std::string> const& names);

/// The fold of each unit: the one with most regions goes first, each to the fold that has fewest so far. Of
/// units with as many, that with more bases (then the earlier) goes first; of folds, that with fewer bases
/// (then the earlier) takes it.
[[nodiscard]] std::vector<std::size_t> deal(std::vector<SplitUnit> const& units, std::size_t folds);
/// The units of each fold as one, "fold_0", ...
[[nodiscard]] std::vector<SplitUnit> merged(std::vector<SplitUnit> const& units,
                                            std::vector<std::size_t> const& fold_of, std::size_t folds);
/// Without those that nothing could be tested in. Without regions in any, all stay.
[[nodiscard]] std::vector<SplitUnit> without_empty(std::vector<SplitUnit> units);

struct SplitRules {
    std::int64_t margin_bp = 0;
    bool validates = true;  ///< in the unit after the one that is held out
};

/// A fold a unit, named as the unit is as a file: it is the test set; the next one validates; the rest of the
/// genome is trained on. Of the validation and training set, what lies nearer than the margin to the test set
/// is in none, and so is what is near the validation set. Usage errors: too few units, a set with nothing in
/// it, names that make the same file.
[[nodiscard]] std::vector<Fold> make_folds(std::vector<SplitUnit> const& units,
                                           genome::ChromSizes const& chroms, SplitRules const& rules);
/// The same of units of cell types.
[[nodiscard]] std::vector<Fold> make_cell_type_folds(std::vector<SplitUnit> const& units, bool validates);

/// Regions by what they are for.
struct UseCounts {
    std::uint64_t test = 0;
    std::uint64_t validation = 0;
    std::uint64_t train = 0;
    std::uint64_t none = 0;
};
/// Of a fold without cell types. Usage errors as assign_uses: no region in a set, with the fold's name.
[[nodiscard]] UseCounts count_uses(SplitGenome const& genome, Fold const& fold);

}  // namespace mpira::train
