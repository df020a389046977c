// chrom.sizes.
#include "mpira/genome/regions.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] { (void)genome::ChromSizes::read(fuzz::in_file(bytes, "fuzz.sizes")); });
}
