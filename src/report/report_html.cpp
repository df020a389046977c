#include "report/report_html.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <span>

#include <fmt/format.h>

#include "mpira/base/sha256.hpp"
#include "mpira/base/text.hpp"

#include "report/export_source.hpp"

namespace mpira::report {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

constexpr std::string_view kUnknown = "\xEF\xBF\xBD";  // U+FFFD

constexpr bool continues(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

constexpr bool is_control(std::string_view one) {
    auto const byte = static_cast<unsigned char>(one.front());
    if (one.size() == 2 && byte == 0xC2) return static_cast<unsigned char>(one[1]) < 0xA0;
    return one.size() == 1 && ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F);
}

}  // namespace

std::string html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        auto const bytes = text::utf8_character(text);
        auto const one = text.substr(0, bytes == 0 ? 1 : bytes);
        text.remove_prefix(one.size());
        if (bytes == 0 || is_control(one)) {
            out += kUnknown;
            continue;
        }
        switch (one.front()) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += one;
        }
    }
    return out;
}

std::string json_in_script(std::string_view json) {
    // In JSON, '<' stands in strings only; "</script" and "<!--" need it.
    std::string out;
    out.reserve(json.size());
    for (char const letter : json) {
        if (letter == '<')
            out += "\\u003c";
        else
            out += letter;
    }
    return out;
}

std::string policy_hash(std::string_view script) {
    constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    auto const digits = sha256(std::as_bytes(std::span(script)));
    std::string out = "'sha256-";
    std::uint32_t held = 0;
    int bits = 0;
    for (char const digit : digits) {
        held = held << 4U | static_cast<std::uint32_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
        bits += 4;
        if (bits < 6) continue;
        bits -= 6;
        out += kLetters[held >> static_cast<unsigned>(bits) & 63U];
    }
    // 256 bits are 42 letters and 4 bits.
    return out + kLetters[held << 2U & 63U] + "='";
}

std::string short_number(double value) {
    if (!std::isfinite(value)) return std::isnan(value) ? "-" : value > 0 ? "inf" : "-inf";
    auto text = fmt::format("{:.4g}", value);
    return text == "-0" ? "0" : text;
}

std::string shown_text(Cell const& cell) {
    return std::visit(Overloaded{[](std::string const& text) { return text; },
                                 [](std::int64_t value) { return std::to_string(value); },
                                 [](double value) { return short_number(value); }},
                      cell);
}

std::string file_text(Cell const& cell) {
    return std::visit(Overloaded{[](std::string const& text) { return field(text); },
                                 [](std::int64_t value) { return std::to_string(value); },
                                 [](double value) {
                                     return std::isfinite(value) ? fmt::format("{:.9g}", value)
                                                                 : number_text(value, false);
                                 }},
                      cell);
}

std::size_t length_of(std::string_view text) {
    std::size_t length = 0;
    for (char const byte : text) length += continues(byte) ? 0 : 1;
    return length;
}

std::string shortened(std::string_view text, std::size_t most) {
    if (length_of(text) <= most) return std::string(text);
    std::size_t bytes = 0;
    for (std::size_t letters = 0; bytes < text.size(); ++bytes) {
        if (continues(text[bytes])) continue;
        if (++letters > most - 1) break;
    }
    return std::string(text.substr(0, bytes)) + "\u2026";
}

}  // namespace mpira::report
