#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace mpira::genome {

/// A reporter around the place of the element; empty flanks: none.
struct ReporterVector {
    std::string left;
    std::string right;

    /// One FASTA record with `placeholder` exactly once. Refused by file, and position of a wrong letter.
    static ReporterVector read(std::filesystem::path const& file, std::string const& placeholder);

    /// See ElementLibrary::scan_sequence.
    [[nodiscard]] std::string scan_sequence(std::string_view insert, std::uint64_t scan_length) const;
};

}  // namespace mpira::genome
