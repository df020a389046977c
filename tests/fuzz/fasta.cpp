// FASTA and its .fai, which may lie.
#include "mpira/genome/fasta.hpp"

#include <algorithm>
#include <filesystem>

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        // What follows a NUL is the index; without one it is made.
        auto const text = fuzz::text_of(bytes);
        auto const cut = std::min(text.find(char{0}), text.size());
        auto const file = fuzz::in_file(bytes.first(cut), "fuzz.fa");
        auto index = file;
        index += ".fai";
        std::filesystem::remove(index);
        if (cut < text.size()) fuzz::in_file(bytes.subspan(cut + 1), "fuzz.fa.fai");
        genome::Fasta fasta(file);
        for (std::size_t i = 0; i < std::min<std::size_t>(fasta.size(), 8); ++i) {
            auto const length = fasta.lengths()[i];
            (void)fasta.fetch(i, 0, std::min<std::int64_t>(length, 100));
            (void)fasta.fetch(i, std::max<std::int64_t>(0, length - 100), length);
        }
    });
}
