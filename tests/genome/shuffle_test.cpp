#include "mpira/genome/shuffle.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace mpira::genome {
namespace {

std::map<std::string, int> dinucleotides(std::string const& sequence) {
    std::map<std::string, int> counts;
    for (std::size_t i = 0; i + 1 < sequence.size(); ++i) {
        ++counts[sequence.substr(i, 2)];
    }
    return counts;
}

std::string random_sequence(std::uint64_t length, std::uint32_t number, std::string const& alphabet) {
    Draws draws(1, Stream::tests, number);
    std::string sequence;
    for (std::uint64_t i = 0; i < length; ++i) {
        sequence.push_back(alphabet[draws.below(alphabet.size())]);
    }
    return sequence;
}

TEST(DinucleotideShuffle, KeepsExactDinucleotideCountsAndEnds) {
    for (std::uint32_t number = 0; number < 200; ++number) {
        std::string const alphabet = number % 3 == 0 ? "ACGTN" : (number % 3 == 1 ? "ACGT" : "AAAAAAAAC");
        auto const sequence = random_sequence(1 + number * 7 % 600, number, alphabet);
        auto const shuffled = dinucleotide_shuffle(sequence, 7, number, 3);
        EXPECT_EQ(dinucleotides(shuffled), dinucleotides(sequence));
        EXPECT_EQ(shuffled.front(), sequence.front());
        EXPECT_EQ(shuffled.back(), sequence.back());
    }
}

TEST(DinucleotideShuffle, ChangesOrdinarySequencesAndEveryKIsAnother) {
    for (std::uint32_t element = 0; element < 20; ++element) {
        auto const sequence = random_sequence(270, 1000 + element, "ACGT");
        std::set<std::string> seen{sequence};
        for (std::uint32_t k = 0; k < 10; ++k) {
            EXPECT_TRUE(seen.insert(dinucleotide_shuffle(sequence, 42, element, k)).second);
        }
    }
}

TEST(DinucleotideShuffle, DependsOnSeedElementAndKAlone) {
    auto const sequence = random_sequence(200, 5, "ACGT");
    EXPECT_EQ(dinucleotide_shuffle(sequence, 1, 2, 3), dinucleotide_shuffle(sequence, 1, 2, 3));
    EXPECT_NE(dinucleotide_shuffle(sequence, 1, 2, 3), dinucleotide_shuffle(sequence, 2, 2, 3));
    EXPECT_NE(dinucleotide_shuffle(sequence, 1, 2, 3), dinucleotide_shuffle(sequence, 1, 3, 3));
}

TEST(DinucleotideShuffle, IsFrozen) {
    // Shuffled controls of a resumed campaign must be those of its first run: the exact draws are a promise.
    EXPECT_EQ(dinucleotide_shuffle("ACGTTGCAACGGTATTACAGNNACGT", 42, 0, 0), "ACAACACGNNATTGCGTAGTTACGGT");
}

TEST(DinucleotideShuffle, LongHomopolymersEndSoon) {
    // Drawing the last edges by rejection would need about 3000^3 attempts here.
    auto const sequence = std::string(3000, 'A') + std::string(3000, 'C') + std::string(3000, 'G') + "T";
    EXPECT_EQ(dinucleotide_shuffle(sequence, 1, 1, 1), sequence);  // the only sequence with these counts
}

TEST(DinucleotideShuffle, ShortOnesComeBack) {
    for (std::string const sequence : {"", "A", "AC", "ACG", "NNNNN"}) {
        EXPECT_EQ(dinucleotide_shuffle(sequence, 1, 1, 1), sequence);
    }
}

TEST(DinucleotideShuffle, IsUniformOverAllSequencesWithTheseCounts) {
    for (std::string const sequence : {"ACGACTAGCA", "AACAGATAAC", "ACCACAGGCC"}) {
        // Every permutation of the letters with the same dinucleotides, by enumeration.
        auto const wanted = dinucleotides(sequence);
        std::string permuted = sequence;
        std::ranges::sort(permuted);
        std::map<std::string, int> drawn;
        do {
            if (permuted.front() == sequence.front() && dinucleotides(permuted) == wanted) {
                drawn[permuted] = 0;
            }
        } while (std::ranges::next_permutation(permuted).found);
        ASSERT_GE(drawn.size(), 10U);

        constexpr int kDraws = 60000;
        for (std::uint32_t k = 0; k < kDraws; ++k) {
            auto const found = drawn.find(dinucleotide_shuffle(sequence, 11, 0, k));
            ASSERT_NE(found, drawn.end());
            ++found->second;
        }
        double const expected = static_cast<double>(kDraws) / static_cast<double>(drawn.size());
        double chi_square = 0;
        for (auto const& [text, count] : drawn) {
            chi_square += (count - expected) * (count - expected) / expected;
        }
        // Mean df, standard deviation sqrt(2 df): five deviations above the mean has a probability below
        // 1e-5.
        double const freedom = static_cast<double>(drawn.size() - 1);
        EXPECT_LT(chi_square, freedom + 5 * std::sqrt(2 * freedom)) << sequence << ", " << drawn.size();
    }
}

}  // namespace
}  // namespace mpira::genome
