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

/// Motifs of a MEME text file (version 4 or later, ACGT alphabet):
/// https://meme-suite.org/meme/doc/meme-format nsites defaults to 20, as there. Refused by file and line: a
/// missing version line, another alphabet, a width that disagrees with the rows, rows that aren't four
/// probabilities summing to 1 +- 0.01, an id given twice, a motif without matrix, a file without motifs.
std::vector<Motif> read_meme(std::filesystem::path const& file);

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
