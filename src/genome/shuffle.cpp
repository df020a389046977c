#include "mpira/genome/shuffle.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace mpira::genome {

std::string dinucleotide_shuffle(std::string_view sequence, Draws& draws) {
    if (sequence.size() < 4) {
        return std::string(sequence);
    }
    // Letters as small numbers, in byte order, so that the draws don't depend on where letters first appear.
    std::array<bool, 256> seen{};
    for (char const letter : sequence) {
        seen[static_cast<unsigned char>(letter)] = true;
    }
    std::array<std::size_t, 256> code{};
    std::vector<char> letters;
    for (std::size_t byte = 0; byte < seen.size(); ++byte) {
        if (seen[byte]) {
            code[byte] = letters.size();
            letters.push_back(static_cast<char>(byte));
        }
    }
    auto const code_of = [&](std::size_t position) {
        return code[static_cast<unsigned char>(sequence[position])];
    };

    // Edges out of each letter: the successors, with multiplicity.
    std::vector<std::vector<std::size_t>> successors(letters.size());
    for (std::size_t i = 0; i + 1 < sequence.size(); ++i) {
        successors[code_of(i)].push_back(code_of(i + 1));
    }

    // Wilson: walk at random from each letter until the tree is met, and keep the last exit of each letter on
    // the way. Loops erase themselves, because a later exit overwrites the earlier one.
    std::size_t const root = code_of(sequence.size() - 1);
    std::vector<std::size_t> last_exit(letters.size(), 0);  // index into successors
    std::vector<bool> in_tree(letters.size(), false);
    in_tree[root] = true;
    for (std::size_t first = 0; first < letters.size(); ++first) {
        for (std::size_t at = first; !in_tree[at]; at = successors[at][last_exit[at]]) {
            last_exit[at] = static_cast<std::size_t>(draws.below(successors[at].size()));
        }
        for (std::size_t at = first; !in_tree[at]; at = successors[at][last_exit[at]]) {
            in_tree[at] = true;
        }
    }

    // The last exit goes to the end of its list; the others are permuted (Fisher and Yates).
    for (std::size_t letter = 0; letter < letters.size(); ++letter) {
        auto& exits = successors[letter];
        std::size_t free = exits.size();
        if (letter != root && free > 0) {
            --free;
            std::swap(exits[last_exit[letter]], exits[free]);
        }
        for (std::size_t i = free; i > 1; --i) {
            std::swap(exits[i - 1], exits[static_cast<std::size_t>(draws.below(i))]);
        }
    }

    std::string shuffled;
    shuffled.reserve(sequence.size());
    std::vector<std::size_t> used(letters.size(), 0);
    std::size_t at = code_of(0);
    shuffled.push_back(letters[at]);
    while (shuffled.size() < sequence.size()) {
        at = successors[at][used[at]++];
        shuffled.push_back(letters[at]);
    }
    return shuffled;
}

std::string dinucleotide_shuffle(std::string_view sequence, std::uint64_t seed, std::uint32_t element,
                                 std::uint32_t k) {
    Draws draws(seed, Stream::shuffle, element, k);
    return dinucleotide_shuffle(sequence, draws);
}

}  // namespace mpira::genome
