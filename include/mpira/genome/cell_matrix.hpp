#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace mpira::genome {

/// Counts of peaks in cells (or in pseudobulks), as single-cell tools write them: read in one pass, a piece
/// at a time, never held.
///
/// Threads: one at a time.
class CellMatrix {
public:
    /// A count that is not 0.
    struct Entry {
        std::uint32_t peak = 0;
        std::uint32_t cell = 0;
        std::int64_t count = 0;
    };

    CellMatrix() = default;
    CellMatrix(CellMatrix const&) = delete;
    CellMatrix& operator=(CellMatrix const&) = delete;
    virtual ~CellMatrix() = default;

    /// Names of peaks ("chr1:100-500" or as the file has them), and barcodes of cells.
    [[nodiscard]] std::vector<std::string> const& peaks() const noexcept { return peaks_; }
    [[nodiscard]] std::vector<std::string> const& cells() const noexcept { return cells_; }
    /// Files that it is read from.
    [[nodiscard]] std::vector<std::filesystem::path> const& files() const noexcept { return files_; }

    /// Calls `each` with every count of a peak; what else the file counts (genes) is passed over. Throws
    /// Origin::usage, naming the file and the place, for what is no count or lies outside.
    virtual void read(std::function<void(Entry const&)> const& each) = 0;

protected:
    std::vector<std::string> peaks_;
    std::vector<std::string> cells_;
    std::vector<std::filesystem::path> files_;
};

/// A folder as Cell Ranger writes it: matrix.mtx (Matrix Market, coordinates, integers), barcodes.tsv, and
/// peaks.bed or features.tsv (id, name, kind, and where it lies: rows of the kind "Peaks" are peaks, all
/// where there is no kind); each plain or .gz. Refused: a missing file, lengths that differ from the
/// matrix's.
std::unique_ptr<CellMatrix> open_matrix_market(std::filesystem::path const& folder);

}  // namespace mpira::genome
