#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace mpira::genome {

/// A position frequency matrix.
struct Motif {
    std::string id;    ///< "MA0533.1"; unique in a set
    std::string name;  ///< "su(Hw)"; may be shared
    /// counts[position][base], bases A, C, G, T. Probabilities (MEME) are stored times the number of sites.
    std::vector<std::array<double, 4>> counts;

    [[nodiscard]] std::size_t width() const noexcept { return counts.size(); }
};

/// Motifs of a JASPAR SQLite release: the newest version of each BASE_ID in `collection` ("CORE") whose
/// tax_group annotation is `tax_group` ("insects"; empty: all), sorted by BASE_ID. JASPAR2024 insects CORE:
/// 286. Opened read-only.
///
/// Refused (Origin::usage): no such file, not a JASPAR database, no motif of that collection and group (with
/// the ones there are), a matrix with missing cells, negative counts or an empty column.
std::vector<Motif> read_jaspar_sqlite(std::filesystem::path const& file, std::string const& collection,
                                      std::string const& tax_group);

/// Motifs of a text file (plain or gzipped), its format told by its first line:
///   MEME      "MEME version 4" or later, ACGT alphabet (https://meme-suite.org/meme/doc/meme-format);
///             probabilities times nsites, which is 20 where it is missing, as there
///   JASPAR    ">id name", then a row a base: "A [ 1 2 3 ]", or four bare rows in the order A, C, G, T
///   TRANSFAC  records that end with //; id: AC, else ID; name: NA, else ID; P0 (or PO) names the bases of
///   the
///             rows that follow, numbered upward one by one; a consensus letter at a row's end is not read
/// In the last two, a matrix of fractions whose columns all sum to 1 +- 0.01 is taken as probabilities of 20
/// sites; all others are counts.
///
/// Refused by file and line (Origin::usage): another start, an id given twice, a motif without matrix, rows
/// of unequal width or that are no numbers >= 0, a position that counts no base, probabilities of MEME that
/// don't sum to 1 +- 0.01, another alphabet, a file without motifs or that ends inside one.
std::vector<Motif> read_motifs(std::filesystem::path const& file);

/// Which feature each motif counts for.
struct MotifFeatures {
    std::vector<std::string> names;      ///< of features, unique
    std::vector<std::int32_t> of_motif;  ///< of_motif[m]: index into names, or -1: the motif is left out
};

/// Each motif a feature of its own, named by the motif's id, in motif order.
MotifFeatures one_feature_each(std::span<Motif const> motifs);

/// Motif clusters from a TSV of motif id and feature name (further columns are ignored, # lines are
/// comments). A feature name "-" leaves the motif out. Features are in the order of their first appearance in
/// the file, which is the order of the columns. Every motif has exactly one line: unknown motifs, a motif
/// given twice, and motifs without a line are refused by name.
MotifFeatures read_motif_clusters(std::filesystem::path const& file, std::span<Motif const> motifs);

}  // namespace mpira::genome
