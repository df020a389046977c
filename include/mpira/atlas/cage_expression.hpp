#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/regions.hpp"

namespace mpira::atlas {

/// Expression of regions by CAGE: of each cell type log10(CPM + 1) on the + and on the - strand, and of both
/// together, "K562.plus", "K562.minus", "K562.sum". CPM: 5' ends in the region a million of the cell type's,
/// wherever and on whichever strand these are (spec/systems.md row 13); the sum is taken before the
/// logarithm.
///
/// Owner, move-only. Threads: reading is free for all.
class CageExpression {
public:
    CageExpression();  ///< no columns
    /// A file of `mpira counts` with the setting cage, of these regions. Throws Origin::usage, naming the
    /// file, for another one, one that is unfinished or damaged, and a cell type without a 5' end.
    CageExpression(std::filesystem::path const& file, genome::ChromSizes const& chroms,
                   std::span<genome::Region const> regions);
    CageExpression(CageExpression&&) noexcept;
    CageExpression& operator=(CageExpression&&) noexcept;
    ~CageExpression();

    [[nodiscard]] std::vector<std::string> const& columns() const noexcept;
    /// Values of regions [first, first + out.size() / columns), (regions, columns) row-major.
    void read_rows(std::uint64_t first, std::span<float> out) const;
    /// Names the content of the file.
    [[nodiscard]] std::string const& content_hash() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::atlas
