#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// Measured enhancer-gene pairs: an element was silenced, and a gene's expression fell or did not.
namespace mpira::genome {

struct CrispriPair {
    std::string chrom;
    std::int64_t start = 0;  ///< of the element, half-open, 0-based
    std::int64_t end = 0;
    std::string gene;  ///< symbol or id
    bool regulated = false;
    std::string cell_type;  ///< "" without such a column
    std::int64_t line = 0;  ///< of the file, from 1
};

/// The columns' names in the header; the defaults are those of the ENCODE benchmark of CRISPR data.
struct CrispriColumns {
    std::string chrom = "chrom";
    std::string start = "chromStart";
    std::string end = "chromEnd";
    std::string gene = "measuredGeneSymbol";
    std::string regulated = "Regulated";
    /// Lines where it doesn't say TRUE are left out and counted (the element is a promoter, say). "": none.
    /// A file may lack it.
    std::string valid = "ValidConnection";
    std::string cell_type;  ///< "": none
};

struct CrispriPairs {
    std::vector<CrispriPair> pairs;  ///< in the order of the file
    std::int64_t lines = 0;          ///< without the header
    std::int64_t not_valid = 0;      ///< left out by CrispriColumns::valid
};

/// Reads a tab-separated file with a header, plain or gzipped; other columns are passed over. A line is a
/// pair, also where another has the same element and gene. Refused, Origin::usage, by file and line: a column
/// that is missing (with the nearest name), too few or too many fields, positions that are no integers,
/// negative or reversed, a `regulated` other than TRUE, FALSE, 1, 0 (in any case), an empty gene; by file: no
/// pair at all.
CrispriPairs read_crispri(std::filesystem::path const& file, CrispriColumns const& columns = {});

}  // namespace mpira::genome
