#include "genome/reporter_vector.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

#include "genome/letters.hpp"

namespace mpira::genome {

ReporterVector ReporterVector::read(std::filesystem::path const& file, std::string const& placeholder) {
    MappedText const text(file);
    auto const all = text.all();
    require(all.starts_with('>') && all.find("\n>") == std::string_view::npos,
            fmt::format("{}: a vector is one FASTA record", file.string()));
    std::string joined;
    for (std::size_t at = text.after(0); at < text.size(); at = text.after(at))
        joined += text::trim(text.line(at));
    std::size_t const place = placeholder.empty() ? std::string::npos : joined.find(placeholder);
    if (place == std::string::npos || joined.find(placeholder, place + 1) != std::string::npos) {
        fail_usage(fmt::format(
            "{}: the placeholder '{}' must stand in the vector exactly once, where the element goes",
            file.string(), placeholder));
    }
    ReporterVector vector;
    auto const read_letters = [&](std::size_t first, std::size_t end, std::string& into) {
        for (std::size_t i = first; i < end; ++i) {
            char const letter = kLetters[static_cast<unsigned char>(joined[i])];
            if (letter == 0) {
                fail_usage(fmt::format("{}: '{}' at position {} of the vector is no IUPAC letter",
                                       file.string(), joined[i], i + 1));
            }
            into.push_back(letter == 'n' ? 'N' : letter);
        }
    };
    read_letters(0, place, vector.left);
    read_letters(place + placeholder.size(), joined.size(), vector.right);
    return vector;
}

std::string ReporterVector::scan_sequence(std::string_view insert, std::uint64_t scan_length) const {
    if (scan_length == 0) return std::string(insert);
    // Bases before and after the middle of the insert, which is its base number floor(length / 2).
    std::uint64_t const before = scan_length / 2;
    std::uint64_t const after = scan_length - before;
    std::uint64_t const middle = insert.size() / 2;
    std::string window;
    window.reserve(scan_length);
    if (before > middle) {
        std::uint64_t const flank = std::min<std::uint64_t>(before - middle, left.size());
        window.append(left, left.size() - flank, flank);
    }
    std::uint64_t const first = middle > before ? middle - before : 0;
    std::uint64_t const end = std::min<std::uint64_t>(insert.size(), middle + after);
    window.append(insert.substr(first, end - first));
    if (middle + after > insert.size()) window.append(right, 0, middle + after - insert.size());
    return window;
}

}  // namespace mpira::genome
