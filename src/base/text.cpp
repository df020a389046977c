#include "mpira/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace mpira::text {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t const above = row[j];
            std::size_t const changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({changed, above + 1, row[j - 1] + 1});
            diagonal = above;
        }
    }
    return row[b.size()];
}

template <typename Number>
std::optional<Number> parse(std::string_view field) {
    Number value{};
    auto const [end, code] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (code != std::errc{} || end != field.data() + field.size()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::string> nearest(std::string_view wrong, std::span<std::string const> known) {
    std::optional<std::string> best;
    std::size_t best_distance = wrong.size() / 3 + 2;
    for (auto const& name : known) {
        std::size_t const distance = edit_distance(wrong, name);
        if (distance < best_distance) {
            best_distance = distance;
            best = name;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view wrong, std::span<std::string const> known) {
    auto const name = nearest(wrong, known);
    return name ? fmt::format(", did you mean '{}'?", *name) : std::string();
}

std::string chromosome_hint(std::string_view wrong, std::span<std::string const> known) {
    auto const bare = [](std::string_view name) { return name.starts_with("chr") ? name.substr(3) : name; };
    auto there =
        std::ranges::find_if(known, [&](std::string const& name) { return bare(name) == bare(wrong); });
    if (there == known.end()) {
        if (auto hint = did_you_mean(wrong, known); !hint.empty() || known.empty()) return hint;
        there = known.begin();
    }
    return fmt::format(": '{}' here, '{}' there", wrong, *there);
}

std::vector<std::string_view> split(std::string_view line, char separator) {
    std::vector<std::string_view> fields;
    std::size_t start = 0;
    while (true) {
        std::size_t const end = line.find(separator, start);
        fields.push_back(line.substr(start, end == std::string_view::npos ? end : end - start));
        if (end == std::string_view::npos) return fields;
        start = end + 1;
    }
}

std::string_view trim(std::string_view line) {
    constexpr std::string_view kBlank = " \t\r\n";
    std::size_t const first = line.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(kBlank) - first + 1);
}

std::string_view without_mark(std::string_view line) {
    constexpr std::string_view kMark = "\xEF\xBB\xBF";
    return line.starts_with(kMark) ? line.substr(kMark.size()) : line;
}

std::size_t utf8_character(std::string_view text) {
    auto const first = static_cast<unsigned char>(text.front());
    std::size_t const bytes = first < 0x80                    ? 1
                              : first >= 0xC2 && first < 0xE0 ? 2
                              : first >= 0xE0 && first < 0xF0 ? 3
                              : first >= 0xF0 && first < 0xF5 ? 4
                                                              : 0;
    if (bytes == 0 || bytes > text.size()) return 0;
    for (std::size_t i = 1; i < bytes; ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) return 0;
    if (bytes < 3) return bytes;
    auto const second = static_cast<unsigned char>(text[1]);
    bool const overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    bool const outside = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
    return overlong || outside ? 0 : bytes;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        auto const bytes = utf8_character(text);
        if (bytes == 0 || text.front() == '\0') return false;
        text.remove_prefix(bytes);
    }
    return true;
}

std::optional<std::int64_t> to_integer(std::string_view field) {
    return parse<std::int64_t>(field);
}

std::optional<double> to_number(std::string_view field) {
    auto const value = parse<double>(field);
    return value && std::isfinite(*value) ? value : std::nullopt;
}

std::string bytes(std::uint64_t count) {
    constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = static_cast<double>(count);
    std::size_t unit = 0;
    while (value >= 1024.0 && unit + 1 < kUnits.size()) {
        value /= 1024.0;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", count) : fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string shell_word(std::string_view text) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
    if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) return std::string(text);
    std::string word = "'";
    for (char const c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return word + "'";
}

std::string with_commas(std::uint64_t number) {
    auto const plain = std::to_string(number);
    std::string digits;
    for (std::size_t i = 0; i < plain.size(); ++i) {
        if (i > 0 && (plain.size() - i) % 3 == 0) digits += ',';
        digits += plain[i];
    }
    return digits;
}

std::string duration(double seconds) {
    if (!std::isfinite(seconds)) return "unknown";
    if (seconds < 10) return fmt::format("{:.1f} s", seconds);
    auto const whole = static_cast<std::int64_t>(std::llround(seconds));
    if (whole < 120) return fmt::format("{} s", whole);
    if (whole < 7200) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
    if (whole < 172800) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
    return fmt::format("{:.1f} days", seconds / 86400);
}

}  // namespace mpira::text
