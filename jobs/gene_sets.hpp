#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace mpira::jobs {

/// Named sets of genes. A value; threads: reading is free for all.
struct GeneSets {
    std::vector<std::string> names;                   ///< of sets, unique, in the file's order
    std::vector<std::string> genes;                   ///< unique, in the order they first appear
    std::vector<std::vector<std::uint32_t>> members;  ///< indices into genes, ascending, each once
};

/// A GMT file: a line a set, of name, description and genes, separated by tabs (the format of MSigDB and
/// g:Profiler). Genes given twice in a set count once; empty fields and lines, and lines that begin with #,
/// are skipped. Refused by file and line: fewer than three fields, a set without genes, a set name given
/// twice; by file: no set at all.
GeneSets read_gmt(std::filesystem::path const& file);

}  // namespace mpira::jobs
