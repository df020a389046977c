// The table of hit names and features.
#include "mpira/genome/motif_hits.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        auto const features = genome::read_hit_features(fuzz::in_file(bytes, "fuzz.tsv"));
        if (features.hits_of_features().size() != features.names.size()) std::abort();
    });
}
