#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

/// Results in the formats of other programs (`mpira export`). Each writes aside and renames, in memory that
/// doesn't grow with the values (names of the rows are held). Serial, no MPI. Errors: Origin::usage naming
/// file and key for a result without what the format needs, rows that aren't computed yet, and an output that
/// exists.
namespace mpira::report {

/// Which rows of a result, and of which of its matrices.
struct ExportChoice {
    /// (column of obs, value): rows that have all of them; empty: all rows.
    std::vector<std::pair<std::string, std::string>> rows;
    std::string values = "X";  ///< or "layers/<name>"
    bool partial = false;      ///< of an unfinished campaign, the rows that are done
    bool overwrite = false;
};

/// Every row as a line: its name, the columns of obs, then a column a variable. Numbers in the shortest form
/// that reads back as the same. Compressed when the output ends in .gz.
/// Returns the number of lines below the header.
std::uint64_t export_table(std::filesystem::path const& result, std::filesystem::path const& output,
                           ExportChoice const& choice);

/// What a base has where rows overlap.
enum class Overlaps {
    refuse,
    mean  ///< of the rows that cover it
};

/// One value a region as bedGraph, sorted by chromosome and start (as `sort -k1,1 -k2,2n`), 0-based
/// half-open. For results whose obs have chrom and start/end or region_start/region_end. `column`: a variable
/// or a numeric column of obs; empty: the only variable there is. Rows without a finite value are left out.
/// Compressed when the output ends in .gz. Returns the number of intervals.
std::uint64_t export_bedgraph(std::filesystem::path const& result, std::filesystem::path const& output,
                              std::string const& column, Overlaps overlaps, ExportChoice const& choice);

/// The same as bigWig, with zoom levels; values become 32-bit floats, as the format has them. `chrom_sizes`:
/// names and lengths of all chromosomes. Refused: a row outside them.
std::uint64_t export_bigwig(std::filesystem::path const& result, std::filesystem::path const& output,
                            std::filesystem::path const& chrom_sizes, std::string const& column,
                            Overlaps overlaps, ExportChoice const& choice);

/// A perturb result as a line a row and region in its reach: what obs says of the row, the region, its
/// distance and its scores, unscaled. Takes `rows` and `partial` of the choice. Compressed when the output
/// ends in .gz. Returns the number of lines below the header.
std::uint64_t export_enhancers(std::filesystem::path const& result, std::filesystem::path const& output,
                               ExportChoice const& choice);

/// A jacobian result (with genes and obsm/jacobian) as the folder of zarr stores that gcell's
/// GETHydraCellType reads, `output`/<cell type>.zarr (spec/genomics-peers.md 4a, spec/get.md 3). `atlas`: the
/// one the campaign read; another is refused by its content. Returns the names of the stores.
std::vector<std::string> export_gcell(std::filesystem::path const& result, std::filesystem::path const& atlas,
                                      std::filesystem::path const& output, bool overwrite);

/// An atlas as a data set of GET, as gcell writes it (spec/get.md 2.2): a folder of zarr. Columns of
/// expression that are no pair NAME.plus, NAME.minus are refused. Returns the number of regions.
std::uint64_t export_get(std::filesystem::path const& atlas, std::filesystem::path const& output,
                         bool overwrite);

}  // namespace mpira::report
