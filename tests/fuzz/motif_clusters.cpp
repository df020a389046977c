// The TSV of motif clusters.
#include <vector>

#include "mpira/genome/motifs.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static std::vector<genome::Motif> const motifs = {{"MA1", "one", {{1, 0, 0, 0}}},
                                                          {"MA2", "two", {{0, 1, 0, 0}}}};
        (void)genome::read_motif_clusters(fuzz::in_file(bytes, "fuzz.tsv"), motifs);
    });
}
