// Motifs in text: MEME, JASPAR, TRANSFAC.
#include "mpira/genome/motifs.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] { (void)genome::read_motifs(fuzz::in_file(bytes, "fuzz.meme")); });
}
