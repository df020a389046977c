#pragma once

#include <filesystem>
#include <string>

#include "mpira/genome/gene_table.hpp"

namespace mpira::atlas {

/// Where expression stands in an AnnData file.
struct ExpressionPlace {
    std::string values = "X";  ///< X, raw/X or layers/NAME
    std::string cell_types =
        "index";             ///< the column of obs that names a row's cell type; index: its own name
    bool adds_rows = false;  ///< rows of one cell type are added: they are counts of cells
};

/// Expression by gene, from a TSV (genome/gene_table.hpp) or, where the file is HDF5, an AnnData of (cell
/// types, or cells) x genes, dense or sparse. Rows without a cell type are left out.
///
/// Throws Origin::usage, naming the file: what GeneTable refuses, a matrix or column that isn't there, values
/// that are no finite numbers, several rows of one cell type that may not be added.
genome::GeneTable read_gene_expression(std::filesystem::path const& file, ExpressionPlace const& place);

}  // namespace mpira::atlas
