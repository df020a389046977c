#pragma once

#include <array>
#include <string>
#include <string_view>

namespace mpira::genome {

/// What each byte of a sequence is read as: upper-case A, C, G, T or N; 'n' for the other IUPAC letters,
/// which become N and are counted; 0 for bytes that are refused.
inline constexpr auto kLetters = [] {
    std::array<char, 256> letters{};
    auto const read_as = [&](char letter, char as) {
        letters.at(static_cast<unsigned char>(letter)) = as;
        letters.at(static_cast<unsigned char>(letter + ('a' - 'A'))) = as;
    };
    for (char const base : std::string_view("ACGTN")) read_as(base, base);
    for (char const code : std::string_view("RYSWKMBDHV")) read_as(code, 'n');
    read_as('U', 'T');  // RNA
    return letters;
}();

/// The other strand of a sequence of upper-case A, C, G, T and N.
inline std::string reverse_complement(std::string_view sequence) {
    constexpr auto kOther = [] {
        std::array<char, 256> other{};
        for (char const* pair : {"AT", "CG", "GC", "TA", "NN"})
            other.at(static_cast<unsigned char>(pair[0])) = pair[1];
        return other;
    }();
    std::string other(sequence.rbegin(), sequence.rend());
    for (char& base : other) base = kOther[static_cast<unsigned char>(base)];
    return other;
}

}  // namespace mpira::genome
