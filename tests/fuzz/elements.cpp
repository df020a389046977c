// Element libraries: FASTA, groups, reporter vector.
#include "mpira/genome/elements.hpp"

#include <algorithm>

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        // Parts split by NUL: elements, groups, reporter vector.
        auto const text = fuzz::text_of(bytes);
        genome::ElementSource source;
        auto const first = std::min(text.find(char{0}), text.size());
        source.fasta = fuzz::in_file(bytes.first(first), "elements.fa");
        if (first < text.size()) {
            auto const second = std::min(text.find(char{0}, first + 1), text.size());
            source.groups = fuzz::in_file(bytes.subspan(first + 1, second - first - 1), "groups.tsv");
            if (second < text.size()) source.vector = fuzz::in_file(bytes.subspan(second + 1), "vector.fa");
        }
        auto const library = genome::ElementLibrary::open(source);
        for (std::uint64_t i = 0; i < std::min<std::uint64_t>(library.size(), 8); ++i)
            (void)library.scan_sequence(i, 50);
    });
}
