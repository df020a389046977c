#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Small helpers for text that people wrote or will read.
namespace mpira::text {

/// The known name nearest to `wrong` by edit distance, or nothing when none is near (more than a third
/// differs).
std::optional<std::string> nearest(std::string_view wrong, std::span<std::string const> known);

/// ", did you mean 'x'?" or "".
std::string did_you_mean(std::string_view wrong, std::span<std::string const> known);

/// The same of a chromosome, where assemblies differ in how they name it: ": '1' here, 'chr1' there", by the
/// name that is meant, else ", did you mean ...", else by the first known one.
std::string chromosome_hint(std::string_view wrong, std::span<std::string const> known);

std::vector<std::string_view> split(std::string_view line, char separator);
std::string_view trim(std::string_view line);
/// A file's first line without the byte order mark (UTF-8) that some Windows programs put before it.
std::string_view without_mark(std::string_view line);

/// Bytes of the UTF-8 character that a text (not empty) begins with; 0: it is none.
std::size_t utf8_character(std::string_view text);
/// Whether it is UTF-8 without a character 0: what HDF5, JSON and Python take for a text.
bool is_utf8(std::string_view text);

/// The whole of `field` as a number, or nothing: no sign games, no trailing text, no NaN.
std::optional<std::int64_t> to_integer(std::string_view field);
std::optional<double> to_number(std::string_view field);

/// 1536 -> "1.5 KiB"; 3725 s -> "1 h 02 min".
std::string bytes(std::uint64_t count);
std::string with_commas(std::uint64_t number);
/// "1 rank", "2 ranks".
template <std::integral Number>
std::string counted(Number number, std::string_view noun) {
    return std::to_string(number) + ' ' + std::string(noun) + (number == 1 ? "" : "s");
}
std::string duration(double seconds);
/// The text as one word of a POSIX shell: quoted where it must be.
std::string shell_word(std::string_view text);

}  // namespace mpira::text
