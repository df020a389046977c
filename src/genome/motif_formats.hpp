#pragma once

#include <filesystem>
#include <vector>

#include "mpira/genome/motifs.hpp"

namespace mpira::genome {

/// Sites of a matrix of probabilities that doesn't say how many it was made of: MEME's default.
inline constexpr double kDefaultSites = 20;

/// The formats that read_motifs tells apart; what each refuses is said there.
std::vector<Motif> read_meme(std::filesystem::path const& file);
std::vector<Motif> read_jaspar_text(std::filesystem::path const& file);
std::vector<Motif> read_transfac(std::filesystem::path const& file);

}  // namespace mpira::genome
