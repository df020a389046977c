#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mpira/genome/cell_matrix.hpp"

namespace mpira::atlas {

/// Opens any of the forms that single-cell tools write:
///   - a folder with matrix.mtx, see genome::open_matrix_market;
///   - Cell Ranger's HDF5 (.h5), of ATAC or multiome: features of the type "Peaks";
///   - AnnData (.h5ad), cells x peaks: `values` is "X", "raw/X" or "layers/<name>", dense, CSR or CSC. Float
///     values must be whole numbers: normalised ones are no counts.
/// Throws Origin::usage, naming the file, for anything else.
std::unique_ptr<genome::CellMatrix> open_cell_matrix(std::filesystem::path const& path,
                                                     std::string const& values);

/// The cell type of each cell by a column of an AnnData file's obs ("" where it has no value), or, for the
/// column "index", the cell's own name: then each row is a pseudobulk. Throws Origin::usage, naming the
/// columns there are.
std::vector<std::string> cell_types_of(std::filesystem::path const& file, std::string const& column);

}  // namespace mpira::atlas
